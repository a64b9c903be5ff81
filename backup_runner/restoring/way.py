"""The way down from the folder that is restored to: by descriptor, and past no symlink but the user's own."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection

STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNER = stat.S_IRWXU
_KEPT = 48
"""Descriptors of so many levels stay open; what is deeper is walked to from there."""


class UnsafeKeyError(Exception):
    """A stored path that would lead out of the goal, or that no file system can hold."""


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
        raise UnsafeKeyError("the stored path does not end with a valid file name, so it is not restored")
    return head + slash, name


class Way:
    """Keeps the way to the present folder open. What `folder` and `place` lend is good until the next call.

    `followed` are keys at which a symlink is followed: the user's own paths, not those of a snapshot. Folders of this
    user's that let nobody pass are opened, even to look into them; `closed` has the modes that they are to get back."""

    def __init__(self, root: int, followed: Collection[bytes]) -> None:
        """`root` is a directory's descriptor, which this object then owns; -1 for none."""
        self.root = root
        self._followed = followed
        self.closed: dict[bytes, int] = {}
        """Modes of folders that were there and that this user cannot write in, though they are the user's own."""
        self._parts: list[bytes] = []
        self._fds: list[int] = []
        self._aside = -1
        """A descriptor beyond those in `_fds`: of a very deep folder, or of what a followed symlink leads to."""
        self._key: bytes | None = b""
        self._at = root

    def follows(self, key: bytes) -> bool:
        """Whether a symlink at this key is followed."""
        return key in self._followed

    def folder(self, key: bytes) -> int:
        """Descriptor of the folder with this key (b"" is the goal itself). Raises OSError, UnsafeKeyError."""
        if key == self._key:
            return self._at
        self._walk(components(key))
        self._key = key
        return self._at

    def place(self, key: bytes) -> tuple[int, bytes]:
        """Where a file goes: descriptor of its folder, and its name there. Raises OSError, UnsafeKeyError."""
        head, name = split_key(key)
        at = self.folder(head)
        if self.follows(key) and _is_link(at, name):
            real = os.path.realpath(path_of(at) + b"/" + name)
            above, _, name = real.rpartition(b"/")
            self._cut(len(self._fds))
            self._key, self._aside = None, os.open(above or b"/", STEP)
            self._at = at = self._aside
        return at, name

    def close(self) -> None:
        """Let all descriptors go, the root's own too."""
        self._cut(0)
        if self.root >= 0:
            os.close(self.root)

    def unlock(self, at: int, key: bytes) -> bool:
        """Let this user write in a folder and pass through it, if it is the user's own; whether that was of use."""
        there = os.fstat(at)
        if not is_locked(there):
            return False
        self.closed.setdefault(key, stat.S_IMODE(there.st_mode))
        os.chmod(path_of(at), stat.S_IMODE(there.st_mode) | _OWNER)
        return True

    def _walk(self, parts: list[bytes]) -> None:
        same = 0
        for mine, theirs in zip(self._parts, parts, strict=False):
            if mine != theirs:
                break
            same += 1
        self._key = None
        self._cut(same)
        for number in range(len(self._fds), len(parts)):
            step = self._step(parts, number)
            if len(self._fds) < _KEPT:
                self._fds.append(step)
                self._parts.append(parts[number])
            else:
                if self._aside >= 0:
                    os.close(self._aside)
                self._aside = step
            self._at = step

    def _step(self, parts: list[bytes], number: int) -> int:
        """Descriptor of one more component of the way."""
        if self._at < 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        above = b"/".join([*parts[:number], b""])
        follow = bool(self._followed) and above + parts[number] + b"/" in self._followed
        flags = STEP & ~os.O_NOFOLLOW if follow else STEP
        try:
            return os.open(parts[number], flags, dir_fd=self._at)
        except PermissionError:
            if not self.unlock(self._at, above):
                raise
        return os.open(parts[number], flags, dir_fd=self._at)

    def _cut(self, level: int) -> None:
        """Forget the way beyond `level` components, and anything aside of what is kept."""
        if self._aside >= 0:
            os.close(self._aside)
            self._aside = -1
        while len(self._fds) > level:
            os.close(self._fds.pop())
        del self._parts[len(self._fds) :]
        self._at = self._fds[-1] if self._fds else self.root


def is_locked(folder: os.stat_result) -> bool:
    """Whether this user cannot do all with a folder as it is, and may change that."""
    return folder.st_uid == os.geteuid() and folder.st_mode & _OWNER != _OWNER


def path_of(fd: int) -> bytes:
    """A path that leads to what is open, and follows nothing else: descriptors with O_PATH take few calls."""
    return b"/proc/self/fd/%d" % fd


def _is_link(at: int, name: bytes) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
    except OSError:
        return False
