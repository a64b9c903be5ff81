"""The folder that files are restored below. Every step down is taken by descriptor; no symlink is ever followed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from itertools import count

from ..foreign import describe

_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT = 48
"""Descriptors of so many levels stay open; what is deeper is walked to from there."""

_TEMPORARY = re.compile(r"\.([0-9]{1,9})-[0-9a-f]{9,}\.brtmp")

STOPPING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors after which going on to the next file makes no sense."""


class UnsafeKeyError(Exception):
    """A stored path that would lead out of the goal, or that no file system can hold."""


class BlockedError(Exception):
    """Something else stands where a file or folder should go, and stays."""


def components(key: bytes) -> list[bytes]:
    """The names in a key, a folder's closing slash aside. Raises UnsafeKeyError."""
    parts = key.removesuffix(b"/").split(b"/") if key else []
    if b"\0" in key or any(part in (b"", b".", b"..") for part in parts):
        raise UnsafeKeyError("the stored path has empty, `.` or `..` components, so it is not restored")
    return parts


def split_key(key: bytes) -> tuple[bytes, bytes]:
    """The key of the folder that holds it, and its own name. Raises UnsafeKeyError."""
    head, slash, name = key.removesuffix(b"/").rpartition(b"/")
    if name in (b"", b".", b"..") or b"\0" in name:
        raise UnsafeKeyError("the stored path ends in no name that a file can have, so it is not restored")
    return head + slash, name


def explain(error: OSError) -> tuple[str, str]:
    """Kind and text of a problem with one file."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "blocked", "a symlink or a file stands where one of its folders should be; it was not followed"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "unwritable", "permission denied"
    return "unwritable", describe(error)


class Goal:
    """Keeps the way to the present folder open. `folder` lends descriptors: good until its next call."""

    def __init__(self, root: int) -> None:
        """`root` is a directory's descriptor, which this object then owns."""
        self.root = root
        self._parts: list[bytes] = []
        self._fds: list[int] = []
        self._deep = -1
        self._key: bytes | None = b""
        self._at = root
        self._token = secrets.token_hex(4)
        self._numbers = count()

    @classmethod
    def open(cls, path: bytes) -> Goal:
        """The folder at `path`, symlinks on the way to it followed: the user named it. Raises OSError."""
        return cls(os.open(path, _STEP & ~os.O_NOFOLLOW))

    def again(self) -> Goal:
        """Another goal at the same folder, for another process: with temporary names of its own."""
        return Goal(os.dup(self.root))

    def folder(self, key: bytes) -> int:
        """Descriptor of the folder with this key (b"" is the goal itself). Raises OSError, UnsafeKeyError."""
        if key == self._key:
            return self._at
        self._walk(components(key))
        self._key = key
        return self._at

    def make_folders(self, key: bytes, private: Callable[[bytes], bool]) -> Iterator[bytes]:
        """Make what is missing on the way to a folder, like mkdir -p; yields the keys of those it made.

        Those whose key is `private` are for their owner alone: they get their own mode later."""
        at = b""
        for part in components(key):
            above = self.folder(at)
            at += part + b"/"
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700 if private(at) else 0o777, dir_fd=above)
                yield at

    def make_folder(self, key: bytes) -> None:
        """A folder for its owner alone, for the time being. Raises BlockedError if something else is there."""
        head, name = split_key(key)
        above = self.folder(head)
        try:
            os.mkdir(name, 0o700, dir_fd=above)
        except FileExistsError:
            mode = os.stat(name, dir_fd=above, follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode):
                what = "a symlink" if stat.S_ISLNK(mode) else "something that is no folder"
                raise BlockedError(f"{what} stands where the folder should go; it was left") from None
            with contextlib.suppress(OSError):
                _sweep(above, name)

    def has_folder(self, key: bytes) -> bool:
        """Whether the folder is there: a restore that was stopped has not made them all."""
        try:
            self.folder(key)
        except (OSError, UnsafeKeyError):
            return False
        return True

    def temporary_name(self) -> bytes:
        """A name that no stored file has and that always fits."""
        return f".{os.getpid()}-{self._token}{next(self._numbers):x}.brtmp".encode()

    def close(self) -> None:
        """Let all descriptors go, the goal's own too."""
        self._cut(0)
        os.close(self.root)

    def _walk(self, parts: list[bytes]) -> None:
        same = 0
        for mine, theirs in zip(self._parts, parts, strict=False):
            if mine != theirs:
                break
            same += 1
        self._key = None
        self._cut(same)
        for part in parts[len(self._fds) :]:
            step = os.open(part, _STEP, dir_fd=self._at)
            if len(self._fds) < _KEPT:
                self._fds.append(step)
                self._parts.append(part)
            else:
                if self._deep >= 0:
                    os.close(self._deep)
                self._deep = step
            self._at = step

    def _cut(self, level: int) -> None:
        """Forget the way beyond `level` components, and anything deeper than what is kept."""
        if self._deep >= 0:
            os.close(self._deep)
            self._deep = -1
        while len(self._fds) > level:
            os.close(self._fds.pop())
        del self._parts[len(self._fds) :]
        self._at = self._fds[-1] if self._fds else self.root


def _sweep(above: int, name: bytes) -> None:
    """Take away what restores left in a folder when they were killed: the process that each names is gone."""
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        with os.scandir(fd) as entries:
            strays = [one for entry in entries if (one := _TEMPORARY.fullmatch(entry.name))]
        for stray in strays:
            if not _alive(int(stray[1])):
                os.unlink(stray[0], dir_fd=fd)
    finally:
        os.close(fd)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
