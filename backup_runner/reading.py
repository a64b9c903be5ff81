"""Reading one small file whole, with the metadata it had, watching that it does not move meanwhile."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection
from typing import NamedTuple

from blake3 import blake3

from .records import Flag, Kind
from .scan_access import open_entry, read_changed, read_xattrs
from .xattrs import encode_xattrs

_BLOCK = 512
_CLOCK_STEP_NS = 20_000_000
"""Kernels stamp files in steps of up to 10 ms (HZ=100)."""


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


def metadata(status: os.stat_result, fd: int) -> tuple[int, int, int, int, int, int, int, bytes | None]:
    """size, mtime, ctime, mode, uid, gid, flags and xattrs of an open file."""
    sparse = status.st_blocks * _BLOCK < status.st_size
    return (
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_mode & 0o7777,
        status.st_uid,
        status.st_gid,
        Flag.SPARSE if sparse else 0,
        encode_xattrs(read_xattrs(fd)),
    )


def read_small(base: bytes, key: bytes, linked: Collection[bytes], limit: int) -> tuple[FileRead, bytes] | None:
    """Metadata and bytes of a file; None if it has `limit` bytes or more. Raises OSError.

    Moved while it was read, it is read once more; moved again, it is kept as read and flagged."""
    fd = open_entry(base, key, linked=linked)
    try:
        for last_try in (False, True):
            before, still = settled(fd)
            if before.st_size >= limit:
                return None
            data = os.pread(fd, before.st_size + 1, 0)
            while len(data) < before.st_size:
                more = os.pread(fd, before.st_size + 1 - len(data), len(data))
                if not more:
                    break
                data += more
            after = os.fstat(fd)
            moved = not still or len(data) != before.st_size or read_changed(before, after)
            if not moved or last_try:
                break
        _, mtime_ns, ctime_ns, mode, uid, gid, flags, xattrs = metadata(after, fd)
        read = FileRead(
            len(data),
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


def settled(fd: int) -> tuple[os.stat_result, bool]:
    """Status of a file that is about to be read; False if somebody is writing it this very moment.

    A write that falls into the same step of the file system's clock as the one before leaves no trace in the times,
    so a file that changed just now is waited for."""
    status = os.fstat(fd)
    if _fresh(status):
        time.sleep(_CLOCK_STEP_NS / 1e9)
        status = os.fstat(fd)
    return status, not _fresh(status)


def _fresh(status: os.stat_result) -> bool:
    # Times ahead of our clock are another machine's, and tell nothing about now.
    return 0 <= time.time_ns() - status.st_ctime_ns < _CLOCK_STEP_NS


def kind_of(mode: int) -> int:
    """The entry kind that a stat mode's file type stands for; -1 for sockets, fifos and devices."""
    types = {0o100000: Kind.FILE, 0o040000: Kind.DIRECTORY, 0o120000: Kind.SYMLINK}
    return types.get(mode & 0o170000, -1)
