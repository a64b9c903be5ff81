"""A file on disk beside the list of pieces that it was backed up as: for files of which not every zero byte is hashed.

Where its holes lie, and so where it would be cut, may differ from what they were: another file system has blocks of
another size, or no holes at all. What is compared is what each stretch holds.
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
    """Whether an open file holds these pieces and zeros, and nothing besides. Raises OSError."""
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
    """Whether a stretch holds zeros only; its holes are passed over."""
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
