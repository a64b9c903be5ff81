"""Compares a file on disk with its stored list of pieces, for files with too many zero bytes to hash.

Its holes, and so its cuts, may differ from the stored ones: another file system may have another block size, or no
holes at all. So the contents of each stretch are compared.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from blake3 import blake3

from ..records import Piece

_CHUNK = 1 << 20
_ZEROS = memoryview(bytes(_CHUNK))


def is_composed_of(fd: int, pieces: Iterable[Piece]) -> bool:
    """Whether an open file consists of exactly these pieces and zeros. Raises OSError."""
    at = 0
    for strong, size in pieces:
        if strong is None:
            if not _is_zero(fd, at, at + size):
                return False
        elif blake3(_read(fd, at, size)).digest() != strong:
            return False
        at += size
    return os.fstat(fd).st_size == at


def _is_zero(fd: int, at: int, end: int) -> bool:
    """Whether a stretch contains only zeros; holes are skipped."""
    while at < end:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return True
            if error.errno != errno.EINVAL:
                raise
        if at >= end:
            return True
        data = os.pread(fd, min(_CHUNK, end - at), at)
        if not data or data != _ZEROS[: len(data)]:
            return False
        at += len(data)
    return True


def _read(fd: int, at: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size and (data := os.pread(fd, size, at)):
        parts.append(data)
        at, size = at + len(data), size - len(data)
    return b"".join(parts)
