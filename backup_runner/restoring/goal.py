"""The folder that files are restored to: what exists in it, and folders that are created in it.

With `pretend`, nothing is changed: folders that a restore would create are remembered, so that later steps find the
same state as in a restore. A folder of this user without search permission is made accessible as in a restore,
and restored at the end.
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
from .acl import has_default_acl
from .strays import Names, sweep
from .way import UnsafeKeyError, Way, check_writable, path_of, split_key

_LOOK = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNER = stat.S_IRWXU
_T = TypeVar("_T")

NOT_FINISHED = stat.S_ISVTX | _OWNER
"""The mode of a folder that a restore has created and not finished. The sticky bit, which has no effect there, marks
it: if the restore is killed, the next one sets its attributes, whatever its policy."""

STOPPING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors after which it makes no sense to continue with the next file."""


class BlockedError(Exception):
    """Something else is in the place of a file or folder, and is kept."""


def explain(error: OSError) -> tuple[str, str]:
    """Kind and text of a problem with one file."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "blocked", "a symlink or file is in the place of one of its folders; it was not followed"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "unwritable", "permission denied"
    return "unwritable", describe(error)


class Goal(Way):
    """Existing and created entries, by key. Descriptors that it returns are valid until the next call."""

    def __init__(
        self,
        root: int | None,
        *,
        followed: Collection[bytes] = (),
        pretend: bool = False,
        untouched: bool = False,
    ) -> None:
        """`root` is a directory's descriptor, which this object then owns; None if it does not exist yet
        (`pretend`)."""
        super().__init__(-1 if root is None else root, followed)
        self.pretend = pretend
        self.untouched = untouched
        """Whether this restore created the root, and what is created in it inherits no ACL and no group."""
        self._pretended: set[bytes] = {b""} if root is None else set()
        self._unmarked: set[bytes] | None = None
        self._names = Names()

    @classmethod
    def open(
        cls, path: bytes, *, followed: Collection[bytes] = (), pretend: bool = False, created: bool = False
    ) -> Goal:
        """The folder at `path`, symlinks on the way to it followed: the user named it. `created`: just now, by this
        restore. Raises OSError."""
        root = os.open(path, _LOOK & ~os.O_NOFOLLOW | os.O_DIRECTORY)
        there = os.fstat(root)
        # A root with a foreign group got it from above, and hands it down.
        untouched = created and there.st_gid == os.getegid() and not has_default_acl(path_of(root))
        goal = cls(root, followed=followed, pretend=pretend, untouched=untouched)
        goal.note_closed(b"", there)
        return goal

    def again(self) -> Goal:
        """Another goal at the same folder for another process, with separate temporary names."""
        return Goal(os.dup(self.root), followed=self._followed, untouched=self.untouched)

    # -- looking

    def look(self, key: bytes) -> os.stat_result | None:
        """The status of what exists, symlinks not followed; None if nothing does. Raises OSError, UnsafeKeyError."""
        head = split_key(key)[0]
        if head in self._pretended or key in self._pretended:
            return None
        try:
            at, name, folder = self.spot(key)
            try:
                return os.stat(name, dir_fd=at, follow_symlinks=False)
            except PermissionError:
                if not self.unlock(at, folder):
                    raise
            return os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            if self.has_folder(head):
                return None
            raise

    def has_folder(self, key: bytes) -> bool:
        """Whether the folder exists: an interrupted restore has not created all."""
        if key in self._pretended:
            return True
        try:
            self.folder(key)
        except (OSError, UnsafeKeyError):
            return False
        return True

    def is_empty(self, key: bytes) -> bool:
        """Whether the folder in the place of the file `key` is empty."""
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
        """What to use for a file or folder in calls on its attributes: a descriptor or, if this user may not read
        it, a path that leads to the same file even if it is renamed. Raises OSError, UnsafeKeyError."""
        is_folder = not key or key.endswith(b"/")
        at, name = (self.folder(key), b".") if is_folder else self.place(key)
        try:
            fd, readable = os.open(name, _READ, dir_fd=at), True
        except PermissionError:
            fd, readable = os.dup(at) if is_folder else self.write_in(key, _open_to_look), False
        try:
            yield fd if readable else path_of(fd)
        finally:
            os.close(fd)

    # -- folders

    def make_folder(self, key: bytes, mode: int = NOT_FINISHED) -> bool:
        """Create a folder; False if something exists there. Raises OSError, UnsafeKeyError."""
        if self.pretend:
            if self.look(key) is not None:
                return False
            self.check_writable(key)
            self._pretended.add(key)
            return True
        try:
            self.write_in(key, lambda at, name: os.mkdir(name, mode, dir_fd=at))
        except FileExistsError:
            return False
        if mode == NOT_FINISHED:
            self._mark(key)
        return True

    def is_new(self, key: bytes, there: os.stat_result, owner: int | None = None) -> bool:
        """Whether a restore created this folder and has not finished it; `owner` is the one in the snapshot."""
        if self._unmarked and key in self._unmarked:
            return True
        # It may inherit the set-group-id bit of its parent.
        mode = stat.S_IMODE(there.st_mode) & ~stat.S_ISGID
        if os.geteuid():
            return mode == NOT_FINISHED and there.st_uid == os.geteuid()
        # Root first takes away rights that the snapshot does not give, and then changes the owner.
        return mode & ~_OWNER == stat.S_ISVTX and there.st_uid in (0, owner)

    def replace_by_folder(self, key: bytes) -> None:
        """Replace what exists, which is not a folder, by a folder. Raises OSError."""
        if self.pretend:
            self.check_writable(key)
            self._pretended.add(key)
            return
        self.write_in(key, lambda at, name: os.unlink(name, dir_fd=at))
        self.make_folder(key)

    def sweep(self, key: bytes, known: Callable[[bytes], bool]) -> None:
        """Delete what killed restores left in a folder, except files of the snapshot: those with `known` keys."""
        if not self.pretend:
            with contextlib.suppress(OSError, UnsafeKeyError):
                at = self.folder(key)
                sweep(at, lambda name: known(key + name), ours=self.is_new(key, os.fstat(at)))

    # -- writing

    def write_in(self, key: bytes, act: Callable[[int, bytes], _T]) -> _T:
        """Call `act` with the folder that `key` is in, and its name there. Raises OSError, UnsafeKeyError.

        A read-only folder of this user is made writable for it; `set_back` restores its mode."""
        at, name, folder = self.spot(key)
        try:
            return act(at, name)
        except PermissionError:
            if not self.unlock(at, folder):
                raise
        return act(at, name)

    def check_writable(self, key: bytes) -> None:
        """Whether `write_in` could write where `key` goes, without doing so. Raises OSError, UnsafeKeyError."""
        if split_key(key)[0] not in self._pretended:
            at, name, _ = self.spot(key)
            check_writable(at, None if key in self._pretended else name)

    def pretend_written(self, key: bytes) -> None:
        """Treat a file as replaced: it is no longer the one with other names."""
        there = self.look(key)
        if there is not None and there.st_nlink > 1:
            self._pretended.add(key)

    def pretend_gone(self, key: bytes) -> None:
        """Treat what is at a path as deleted, so that something else can take its place."""
        bare = key.removesuffix(b"/")
        self._pretended |= {bare, bare + b"/"}

    def temporary_name(self) -> bytes:
        """A name that no stored file has and that is always short enough."""
        return self._names.new()

    def _mark(self, key: bytes) -> None:
        """Remember which folders are new if the file system does not keep the mode that marks them."""
        if self._unmarked is None:
            self._unmarked = set()
            if not self.is_new(key, os.fstat(self.folder(key))):
                self._unmarked.add(key)
        elif self._unmarked:
            self._unmarked.add(key)


def _open_to_look(at: int, name: bytes) -> int:
    return os.open(name, _LOOK, dir_fd=at)
