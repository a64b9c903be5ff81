"""What the system knows about files besides their bytes: extended attributes, changes while reading, mount points."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from typing import Final

_XATTRS: Final = ("user.", "trusted.", "security.", "system.posix_acl_")
_GET_FLAGS: Final = 0x80086601
"""FS_IOC_GETFLAGS, ioctl_iflags(2), of 64-bit systems."""
_FLAGS: Final = 0x6081_C4FF
"""Those that chattr(1) sets; the others describe how a file system stores the file."""
_NO_XATTRS: Final = (errno.ENOTSUP, errno.EPERM, errno.EACCES)


def read_xattrs(where: int | bytes) -> dict[bytes, bytes]:
    """Extended attributes of a descriptor or path (symlinks not followed): `user.*`, `trusted.*` (for root only),
    `security.*` and POSIX ACLs.

    Empty if the system or file system has none, or if this user may not read them."""
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
        if name.startswith(_XATTRS):
            try:
                found[os.fsencode(name)] = os.getxattr(where, name, follow_symlinks=follow)
            except OSError as error:
                if error.errno not in (errno.ENODATA, *_NO_XATTRS):
                    raise
    return found


def chattr_flags(fd: int) -> int:
    """A file's or folder's flags as in chattr(1); 0 if the file system has none."""
    if sys.platform != "linux":
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(fd, _GET_FLAGS, bytes(8))[:4], sys.byteorder) & _FLAGS
    except OSError:
        return 0


def read_changed(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether a file changed between two reads of its status: another inode, size, mtime or ctime."""
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
    """The mount point that a path is on, at least b"/"; the path itself need not exist."""
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
