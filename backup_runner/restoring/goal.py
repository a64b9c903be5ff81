"""The folder that files are restored below: what is there, and folders that are made in it.

With `pretend` it is only looked at: folders that a restore would make are remembered, so that what comes after them
finds what it would find then. To look into a folder of this user's that lets nobody pass, it is opened as a restore
would open it, and closed again in the end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..foreign import describe
from .strays import Names, sweep
from .way import UnsafeKeyError, Way, is_locked, path_of, split_key

_LOOK = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OWNER = stat.S_IRWXU
_T = TypeVar("_T")

NOT_FINISHED = stat.S_ISVTX | _OWNER
"""The mode of a folder that a restore has made and not finished. The sticky bit, which means nothing there, tells it
from others: should the restore be killed, the next one gives it its attributes, whatever its policy."""

STOPPING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors after which continuing to the next file makes no sense."""


class BlockedError(Exception):
    """Something else is where a file or folder should go, and stays."""


def explain(error: OSError) -> tuple[str, str]:
    """Kind and text of a problem with one file."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "blocked", "a symlink or file is in the place of one of its folders; it was not followed"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "unwritable", "permission denied"
    return "unwritable", describe(error)


class Goal(Way):
    """What is there and what is made, by key. Descriptors that it lends are good until the next call."""

    def __init__(self, root: int | None, *, followed: Collection[bytes] = (), pretend: bool = False) -> None:
        """`root` is a directory's descriptor, which this object then owns; None, if there is none yet (`pretend`)."""
        super().__init__(-1 if root is None else root, followed)
        self.pretend = pretend
        self._pretended: set[bytes] = {b""} if root is None else set()
        self._unmarked: set[bytes] | None = None
        self._names = Names()

    @classmethod
    def open(cls, path: bytes, *, followed: Collection[bytes] = (), pretend: bool = False) -> Goal:
        """The folder at `path`, symlinks on the way to it followed: the user named it. Raises OSError."""
        root = os.open(path, _LOOK & ~os.O_NOFOLLOW | os.O_DIRECTORY)
        goal = cls(root, followed=followed, pretend=pretend)
        goal.note_closed(b"", os.fstat(root))
        return goal

    def again(self) -> Goal:
        """Another goal at the same folder, for another process: with temporary names of its own."""
        return Goal(os.dup(self.root), followed=self._followed)

    # -- looking

    def look(self, key: bytes) -> os.stat_result | None:
        """What is there, be it a symlink; None if nothing is. Raises OSError, UnsafeKeyError."""
        head = split_key(key)[0]
        if head in self._pretended or key in self._pretended:
            return None
        try:
            at, name = self.place(key)
            try:
                return os.stat(name, dir_fd=at, follow_symlinks=False)
            except PermissionError:
                if not self.unlock(at, head):
                    raise
            return os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            if self.has_folder(head):
                return None
            raise

    def has_folder(self, key: bytes) -> bool:
        """Whether the folder is there: a restore that was stopped has not made them all."""
        if key in self._pretended:
            return True
        try:
            self.folder(key)
        except (OSError, UnsafeKeyError):
            return False
        return True

    def is_empty(self, key: bytes) -> bool:
        """Whether nothing is in the folder that is where the file `key` should go."""
        at, name = self.place(key)
        try:
            fd = os.open(name, _READ | os.O_DIRECTORY, dir_fd=at)
            try:
                with os.scandir(fd) as entries:
                    return next(entries, None) is None
            finally:
                os.close(fd)
        except OSError:
            return False

    @contextmanager
    def handle(self, key: bytes) -> Iterator[int | bytes]:
        """What stands for a file or folder in calls on its attributes: a descriptor, or, where this user may not read
        it, a path that leads to the same file whatever becomes of its name. Raises OSError, UnsafeKeyError."""
        is_folder = not key or key.endswith(b"/")
        at, name = (self.folder(key), b".") if is_folder else self.place(key)
        try:
            fd, readable = os.open(name, _READ, dir_fd=at), True
        except PermissionError:
            fd, readable = os.dup(at) if is_folder else os.open(name, _LOOK, dir_fd=at), False
        try:
            yield fd if readable else path_of(fd)
        finally:
            os.close(fd)

    # -- folders

    def make_folder(self, key: bytes, mode: int = NOT_FINISHED) -> bool:
        """Make a folder; False if something is there already. Raises OSError, UnsafeKeyError."""
        if self.pretend:
            if self.look(key) is not None:
                return False
            self._check_writable(split_key(key)[0])
            self._pretended.add(key)
            return True
        try:
            self.write_in(key, lambda at, name: os.mkdir(name, mode, dir_fd=at))
        except FileExistsError:
            return False
        if mode == NOT_FINISHED:
            self._mark(key)
        return True

    def is_new(self, key: bytes, there: os.stat_result) -> bool:
        """Whether a restore made this folder and has not finished it."""
        if self._unmarked and key in self._unmarked:
            return True
        # What it is made in may hand down its set-group-id bit.
        return stat.S_IMODE(there.st_mode) & ~stat.S_ISGID == NOT_FINISHED and there.st_uid == os.geteuid()

    def replace_by_folder(self, key: bytes) -> None:
        """Remove what is there, no folder, and make one. Raises OSError."""
        if self.pretend:
            self._pretended.add(key)
            return
        self.write_in(key, lambda at, name: os.unlink(name, dir_fd=at))
        self.make_folder(key)

    def sweep(self, key: bytes) -> None:
        """Remove what restores left in a folder when they were killed."""
        if not self.pretend:
            with contextlib.suppress(OSError):
                sweep(self.folder(key))

    def note_closed(self, key: bytes, there: os.stat_result) -> None:
        """Remember the mode of a folder that is there, if this user may change it and cannot write in it as it is."""
        if os.geteuid() and is_locked(there):
            self.closed.setdefault(key, stat.S_IMODE(there.st_mode))

    def set_back(self, key: bytes) -> None:
        """Close a folder again that was opened for writing. Raises OSError."""
        mode = self.closed.pop(key, None)
        if mode is None:
            return
        at = self.folder(key)
        if stat.S_IMODE(os.fstat(at).st_mode) != mode:
            os.chmod(path_of(at), mode)

    # -- writing

    def write_in(self, key: bytes, act: Callable[[int, bytes], _T]) -> _T:
        """Call `act` with the folder that `key` is in, and its name there. Raises OSError, UnsafeKeyError.

        A folder of this user's that is read-only is opened for it; `set_back` closes it."""
        at, name = self.place(key)
        try:
            return act(at, name)
        except PermissionError:
            if not self.unlock(at, split_key(key)[0]):
                raise
        return act(at, name)

    def check_writable(self, key: bytes) -> None:
        """Whether `write_in` could write where `key` goes, without doing so. Raises OSError, UnsafeKeyError."""
        self._check_writable(split_key(key)[0])

    def pretend_written(self, key: bytes) -> None:
        """Treat a file as written again: it is no longer the one that other names lead to."""
        there = self.look(key)
        if there is not None and there.st_nlink > 1:
            self._pretended.add(key)

    def temporary_name(self) -> bytes:
        """A name that no stored file has and that always fits."""
        return self._names.new()

    def _check_writable(self, folder: bytes) -> None:
        if folder in self._pretended or folder in self.closed:
            return
        if not os.access(path_of(self.folder(folder)), os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _mark(self, key: bytes) -> None:
        """Note which folders are new where the file system does not keep the mode that says so."""
        if self._unmarked is None:
            self._unmarked = set()
            if not self.is_new(key, os.fstat(self.folder(key))):
                self._unmarked.add(key)
        elif self._unmarked:
            self._unmarked.add(key)
