"""Reads one small file completely, with its metadata, and detects changes in the meantime."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from collections.abc import Callable
from typing import NamedTuple

from blake3 import blake3

from ..errors import OddFileError
from ..records import Flag, Kind
from .access import chattr_flags, read_changed
from .times import kept_times
from .tree import Tree
from .xattrs import encode_xattrs

_BLOCK = 512
_UNSIZED = 64 << 20
"""Maximum bytes of a file without a meaningful size, as in /proc."""
_CLOCK_STEP_NS = 20_000_000
"""Kernels set file times in steps of up to 10 ms (HZ=100)."""


class FileRead(NamedTuple):
    """A file as it was read. `blake3` and `md5` are of `data`; times nanoseconds, `flags` of `records.Flag`."""

    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    flags: int
    xattrs: bytes | None
    blake3: bytes
    md5: bytes
    dev: int
    ino: int


def metadata(status: os.stat_result, fd: int, tree: Tree) -> tuple[int, int, int, int, int, int, int, bytes | None]:
    """size, mtime, ctime, mode, uid, gid, flags and xattrs of an open file."""
    sparse = status.st_blocks * _BLOCK < status.st_size
    flags, xattrs = _attributes(lambda: tree.xattrs_of(fd))
    flags |= chattr_flags(fd) << Flag.CHATTR_SHIFT
    return (
        status.st_size,
        *kept_times(status),
        status.st_mode & 0o7777,
        status.st_uid,
        status.st_gid,
        flags | (Flag.SPARSE if sparse else 0),
        xattrs,
    )


def attributes(tree: Tree, key: bytes, kind: Kind) -> tuple[int, bytes | None]:
    """Flags and extended attributes of an entry whose bytes are not read. Without chattr flags if it cannot be
    opened."""
    flags, xattrs = _attributes(lambda: tree.xattrs(key))
    if kind != Kind.SYMLINK:
        with contextlib.suppress(OSError):
            fd = tree.open_folder(key) if kind == Kind.DIRECTORY else tree.open(key)[0]
            flags |= chattr_flags(fd) << Flag.CHATTR_SHIFT
            os.close(fd)
    return flags, xattrs


def opened_folder(tree: Tree, key: bytes) -> tuple[os.stat_result, int, bytes | None]:
    """Status, flags and extended attributes of a folder. Raises OSError if it cannot be opened for listing."""
    fd = tree.open_folder(key)
    try:
        flags, xattrs = _attributes(lambda: tree.xattrs_of(fd))
        return os.fstat(fd), flags | chattr_flags(fd) << Flag.CHATTR_SHIFT, xattrs
    finally:
        os.close(fd)


def _attributes(read: Callable[[], dict[bytes, bytes]]) -> tuple[int, bytes | None]:
    """A file is backed up even without its attributes; a flag records that they are missing."""
    try:
        return 0, encode_xattrs(read())
    except OSError:
        return Flag.NO_ATTRIBUTES, None


def read_small(
    tree: Tree, key: bytes, limit: int, room: memoryview | None = None, *, unsized: int = _UNSIZED
) -> tuple[FileRead, memoryview] | None:
    """Metadata and bytes of a file; None if it has `limit` bytes or more. Raises OSError, also for a file without a
    meaningful size that has more than `unsized` bytes.

    The bytes are at the start of `room`, if they fit there. A file that changes while it is read is read once more; if
    it changes again, it is stored as read and flagged."""
    fd, status = tree.open(key)
    try:
        for last_try in (False, True):
            before, still = steady(fd, status)
            if before.st_size >= limit:
                return None
            data = _read_whole(fd, before.st_size, room, unsized)
            after = os.fstat(fd)
            size = len(data)
            moved = not still or read_changed(before, after) or (size != before.st_size and not _is_unsized(before))
            if not moved or last_try:
                break
            status = os.fstat(fd)
        _, mtime_ns, ctime_ns, mode, uid, gid, flags, xattrs = metadata(after, fd, tree)
        read = FileRead(
            size,
            mtime_ns,
            ctime_ns,
            mode,
            uid,
            gid,
            flags | (Flag.MOVED if moved else 0),
            xattrs,
            blake3(data).digest(),
            hashlib.md5(data, usedforsecurity=False).digest(),
            after.st_dev,
            after.st_ino,
        )
        return read, data
    finally:
        os.close(fd)


def _read_whole(fd: int, size: int, room: memoryview | None, unsized: int) -> memoryview:
    """All bytes of a file of `size` bytes; one more if it has grown; all of them if its size is not meaningful."""
    if room is None or len(room) <= size:
        room = memoryview(bytearray(size + 1))
    have = 0
    while have <= size and (count := os.preadv(fd, [room[have : size + 1]], have)):
        have += count
    if have > size and _is_unsized(status := os.fstat(fd)) and status.st_size == size:
        return _read_on(fd, room[:have], unsized)
    return room[:have]


def _is_unsized(status: os.stat_result) -> bool:
    """Whether the size may be meaningless: /proc has 0, /sys a page, and neither has blocks. The size of a file of
    holes is correct, and changes of it change the times."""
    return status.st_blocks == 0


def _read_on(fd: int, start: memoryview, most: int) -> memoryview:
    data = bytearray(start)
    while chunk := os.pread(fd, 1 << 20, len(data)):
        data += chunk
        if len(data) > most:
            text = f"has no known size and more than {most >> 20} MiB; copy it to a regular file and back that up"
            raise OddFileError(errno.EFBIG, text)
    return memoryview(data)


def steady(fd: int, status: os.stat_result) -> tuple[os.stat_result, bool]:
    """Status of a file that is about to be read; False if it is being written right now.

    A write in the same step of the file system's clock as the previous one does not change the times,
    so this waits if a file has just changed. `status` is that at opening."""
    if _fresh(status):
        time.sleep(_CLOCK_STEP_NS / 1e9)
        status = os.fstat(fd)
    return status, not _fresh(status)


def _fresh(status: os.stat_result) -> bool:
    # Times ahead of our clock are another machine's, and say nothing about now.
    return 0 <= time.time_ns() - status.st_ctime_ns < _CLOCK_STEP_NS


def kind_of(mode: int) -> int:
    """The entry kind for the file type in a stat mode; -1 for sockets, FIFOs and devices."""
    types = {0o100000: Kind.FILE, 0o040000: Kind.DIRECTORY, 0o120000: Kind.SYMLINK}
    return types.get(mode & 0o170000, -1)
