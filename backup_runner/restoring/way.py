"""Opens folders below the destination by descriptor, following no symlink except the user's own."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection

STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWNER = stat.S_IRWXU
_KEPT = 48
"""Descriptors of this many levels stay open; deeper folders are opened from there."""


class UnsafeKeyError(Exception):
    """A stored path that would lead out of the goal, or that no file system can hold."""


def components(key: bytes) -> list[bytes]:
    """The components of a key, without a folder's trailing slash. Raises UnsafeKeyError."""
    parts = key.removesuffix(b"/").split(b"/") if key else []
    if b"\0" in key or any(part in (b"", b".", b"..") for part in parts):
        raise UnsafeKeyError("the stored path has empty, `.` or `..` components, so it is not restored")
    return parts


def folder_of(key: bytes) -> bytes:
    """The key of the folder that a file is in."""
    return key[: key.rfind(b"/") + 1]


def split_key(key: bytes) -> tuple[bytes, bytes]:
    """The key of its parent folder, and its own name. Raises UnsafeKeyError."""
    head, slash, name = key.removesuffix(b"/").rpartition(b"/")
    if name in (b"", b".", b"..") or b"\0" in name:
        raise UnsafeKeyError("the stored path does not end with a valid file name, so it is not restored")
    return head + slash, name


class Way:
    """Keeps the path to the current folder open. What `folder` and `place` return is valid until the next call.

    `followed` are keys at which a symlink is followed: the user's own paths, not those of a snapshot. Folders of this
    user without search permission are made accessible, even to read them; `closed` has their original modes."""

    def __init__(self, root: int, followed: Collection[bytes]) -> None:
        """`root` is a directory's descriptor, which this object then owns; -1 for none."""
        self.root = root
        self._followed = followed
        self.closed: dict[bytes, int] = {}
        """Modes of existing folders that this user owns but cannot write in."""
        self._beyond: dict[tuple[int, int], tuple[int, int]] = {}
        """The same for folders that followed symlinks lead to, with descriptors: they may have no key, or several."""
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
        return self.spot(key)[:2]

    def spot(self, key: bytes) -> tuple[int, bytes, bytes | None]:
        """The same, and the key of that folder; None if a followed symlink led there."""
        head, name = split_key(key)
        at = self.folder(head)
        if not self.follows(key) or not self._is_link(at, name, head):
            return at, name, head
        real = os.path.realpath(path_of(at) + b"/" + name)
        above, _, name = real.rpartition(b"/")
        self._cut(len(self._fds))
        self._key, self._aside = None, os.open(above or b"/", STEP)
        self._at = self._aside
        return self._at, name, None

    def close(self) -> None:
        """Close all descriptors, including the root's."""
        self._cut(0)
        while self._beyond:
            os.close(self._beyond.popitem()[1][0])
        if self.root >= 0:
            os.close(self.root)

    def unlock(self, at: int, key: bytes | None) -> bool:
        """Make a folder of this user writable and searchable; whether that changed anything. `key` as from `spot`."""
        there = os.fstat(at)
        if not is_locked(there):
            return False
        self._remember(at, key, there)
        os.chmod(path_of(at), stat.S_IMODE(there.st_mode) | _OWNER)
        return True

    def note_closed(self, key: bytes, there: os.stat_result) -> None:
        """Remember the mode of an existing folder that this user owns but cannot write in."""
        if os.geteuid() and is_locked(there):
            self.closed.setdefault(key, stat.S_IMODE(there.st_mode))

    def note_beyond(self, wanted: Callable[[bytes], bool]) -> None:
        """The same for folders that symlinks in the place of `wanted` files lead to: other processes may open them,
        this one closes them."""
        for key in filter(wanted, self._followed if os.geteuid() else ()):
            with contextlib.suppress(OSError, UnsafeKeyError):
                at, _, folder = self.spot(key)
                if folder is None and is_locked(there := os.fstat(at)):
                    self._remember(at, None, there)

    def set_back(self, key: bytes) -> None:
        """Restore the mode of a folder that was made writable. Raises OSError."""
        mode = self.closed.pop(key, None)
        if mode is not None:
            _set_mode(self.folder(key), mode)

    def set_back_beyond(self) -> None:
        """Restore the modes of the folders that followed symlinks led to. Raises OSError."""
        while self._beyond:
            fd, mode = self._beyond.popitem()[1]
            try:
                _set_mode(fd, mode)
            finally:
                os.close(fd)

    def _remember(self, at: int, key: bytes | None, there: os.stat_result) -> None:
        mode, same = stat.S_IMODE(there.st_mode), (there.st_dev, there.st_ino)
        if key is not None:
            self.closed.setdefault(key, mode)
        elif same not in self._beyond:
            self._beyond[same] = os.dup(at), mode

    def _is_link(self, at: int, name: bytes, key: bytes) -> bool:
        """Whether there is a symlink in the folder with this key."""
        try:
            return _is_link(at, name) if at >= 0 else False
        except FileNotFoundError:
            return False
        except PermissionError:
            if not self.unlock(at, key):
                raise
        return self._is_link(at, name, key)

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
        """Descriptor of one more component of the path."""
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
        """Close the path beyond `level` components, and other descriptors."""
        if self._aside >= 0:
            os.close(self._aside)
            self._aside = -1
        while len(self._fds) > level:
            os.close(self._fds.pop())
        del self._parts[len(self._fds) :]
        self._at = self._fds[-1] if self._fds else self.root


def is_locked(folder: os.stat_result) -> bool:
    """Whether this user lacks permissions on a folder and may change that."""
    return folder.st_uid == os.geteuid() and folder.st_mode & _OWNER != _OWNER


def path_of(fd: int) -> bytes:
    """A path to an open descriptor that follows nothing else: descriptors with O_PATH support few calls."""
    return b"/proc/self/fd/%d" % fd


def check_writable(at: int, name: bytes | None) -> None:
    """Whether something could be created in a folder once it is unlocked and, with `name`, what has that name be
    replaced or deleted. Raises PermissionError."""
    folder, user = os.fstat(at), os.geteuid()
    if is_locked(folder):
        return
    denied = not os.access(path_of(at), os.W_OK | os.X_OK, effective_ids=True)
    if not denied and name is not None and folder.st_mode & stat.S_ISVTX and user not in (0, folder.st_uid):
        # Only the owners of a file and of the folder may do so there.
        with contextlib.suppress(FileNotFoundError):
            denied = os.stat(name, dir_fd=at, follow_symlinks=False).st_uid != user
    if denied:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _set_mode(at: int, mode: int) -> None:
    if stat.S_IMODE(os.fstat(at).st_mode) != mode:
        os.chmod(path_of(at), mode)


def _is_link(at: int, name: bytes) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
