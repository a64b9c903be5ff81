"""Open and look at single entries, however long their paths are; symlinks are not followed.

`base + b"/" + key` is the path on disk (see records). `linked` are the keys of sources that are symlinks
themselves (`ScanTotals.linked`): there, and only there, the last component is followed. All functions raise OSError.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Collection
from typing import Final, TypeVar

_PATH_LIMIT: Final = 4095 if sys.platform == "linux" else 1023
"""Longest path the system takes in one call, in bytes (PATH_MAX counts the closing NUL)."""
_FOLDER: Final = os.O_DIRECTORY | os.O_NOFOLLOW
_STEP: Final = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK
_NOATIME: Final = getattr(os, "O_NOATIME", 0)
_XATTRS: Final = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
_NO_XATTRS: Final = (errno.ENOTSUP, errno.EPERM, errno.EACCES)
_T = TypeVar("_T")


def open_folder(path: bytes) -> int:
    """Open a directory for listing and return its descriptor.

    A symlink in its place is refused with ELOOP or ENOTDIR, unless the path ends in a slash."""
    return _at(path, lambda rest, dir_fd: os.open(rest, os.O_RDONLY | _FOLDER, dir_fd=dir_fd))


def open_entry(base: bytes, key: bytes, *, linked: Collection[bytes] = ()) -> int:
    """Open a regular file for reading and return its descriptor. Access times stay as they are, where allowed.

    Never blocks: what is no regular file any more (a fifo in its place) is refused with EINVAL."""
    return open_and_look(base, key, linked=linked)[0]


def open_and_look(base: bytes, key: bytes, *, linked: Collection[bytes] = ()) -> tuple[int, os.stat_result]:
    """The same, with the file's status."""
    nofollow = 0 if key in linked else os.O_NOFOLLOW
    try:
        fd = _at(_path(base, key), lambda rest, at: os.open(rest, _FILE | nofollow | _NOATIME, dir_fd=at))
    except PermissionError as error:
        # O_NOATIME is for owners only (EPERM); everyone else reads all the same.
        if error.errno != errno.EPERM:
            raise
        fd = _at(_path(base, key), lambda rest, at: os.open(rest, _FILE | nofollow, dir_fd=at))
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file any more", key)
    return fd, status


def lstat_entry(base: bytes, key: bytes, *, linked: Collection[bytes] = ()) -> os.stat_result:
    """The entry's own metadata."""
    follow = key in linked
    return _at(_path(base, key), lambda rest, at: os.stat(rest, dir_fd=at, follow_symlinks=follow))


def readlink_entry(base: bytes, key: bytes) -> bytes:
    """Where a symlink points to."""
    return _at(_path(base, key), lambda rest, at: os.readlink(rest, dir_fd=at))


def read_xattrs(where: int | bytes) -> dict[bytes, bytes]:
    """Extended attributes of a descriptor or path (symlinks not followed): `user.*`, capabilities and POSIX ACLs.

    Empty where the system or file system has none, or where this user may not read them."""
    if sys.platform != "linux":
        return {}
    follow = isinstance(where, int)
    found: dict[bytes, bytes] = {}
    try:
        names = os.listxattr(where, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return found
        raise
    for name in names:
        if name.startswith("user.") or name in _XATTRS:
            try:
                found[os.fsencode(name)] = os.getxattr(where, name, follow_symlinks=follow)
            except OSError as error:
                if error.errno not in (errno.ENODATA, *_NO_XATTRS):
                    raise
    return found


def read_changed(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file moved between two looks at it: another inode, size, mtime or ctime."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino, before.st_dev) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
        after.st_ino,
        after.st_dev,
    )


def is_mount_point(path: bytes) -> bool:
    """Whether something is mounted at this very path (symlinks followed), bind mounts included."""
    real = os.path.realpath(path)
    return os.path.ismount(real) or real in _mounts()


def mount_point_of(path: bytes) -> bytes:
    """The mount point that a path lies on, b"/" at the least; the path itself need not exist."""
    real, mounts = os.path.realpath(path), _mounts()
    while real != b"/" and real not in mounts and not os.path.ismount(real):
        real = os.path.dirname(real)
    return real


def _mounts() -> frozenset[bytes]:
    """proc(5), /proc/self/mountinfo, fifth field; blanks and backslashes are octal escapes there."""
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            fields = [line.split(b" ", 5)[4] for line in lines]
    except OSError:
        return frozenset()
    for escape, byte in ((rb"\040", b" "), (rb"\011", b"\t"), (rb"\012", b"\n"), (rb"\134", b"\\")):
        fields = [path.replace(escape, byte) for path in fields]
    return frozenset(fields)


def _path(base: bytes, key: bytes) -> bytes:
    path = base + b"/" + key
    return path.rstrip(b"/") or b"/"


def _at(path: bytes, act: Callable[[bytes, int | None], _T]) -> _T:
    """Call `act(path, None)`, or, for a path too long for one call, `act(last stretch, descriptor of the rest)`."""
    if len(path) <= _PATH_LIMIT:
        return act(path, None)
    at: int | None = None
    try:
        while len(path) > _PATH_LIMIT:
            cut = path.rfind(b"/", 1, _PATH_LIMIT)
            if cut < 0:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
            step = os.open(path[:cut], _STEP, dir_fd=at)
            if at is not None:
                os.close(at)
            at, path = step, path[cut:].lstrip(b"/")
        return act(path, at)
    finally:
        if at is not None:
            os.close(at)
