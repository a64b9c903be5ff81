"""Checks that bytes are those that were backed up."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable

from blake3 import blake3

from ..catalog.restoring import FileRow
from ..contents.comparing import is_composed_of
from ..errors import DamagedError
from ..records import Piece
from ..targets.base import Buffer

_CHUNK = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Hasher:
    """Checks the BLAKE3 of a content as its bytes are read; MD5 if that is not recorded."""

    def __init__(self, row: FileRow) -> None:
        self._expected = row.blake3 or row.md5
        self._hash = blake3() if row.blake3 or not row.md5 else hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._row = row

    def update(self, data: Buffer) -> None:
        self._size += len(data)
        if self._expected is not None:
            self._hash.update(data)

    def check(self) -> None:
        """Raises DamagedError unless these were the bytes that were backed up."""
        if self._size != self._row.size:
            raise DamagedError(f"has {self._size} bytes, but {self._row.size} were backed up")
        if self._expected is not None and self._hash.digest() != self._expected:
            raise DamagedError("its hash does not match what was backed up")


Lists = Callable[[FileRow], Iterable[Piece]]
"""What a composed file is composed of."""


def same_bytes(at: int, name: bytes, row: FileRow, lists: Lists | None) -> bool:
    """Whether the existing file has the recorded hash; false if it cannot be read, or no hash is recorded."""
    if row.blake3 is None and row.md5 is None:
        return False
    hasher = Hasher(row)
    try:
        fd = os.open(name, _READ, dir_fd=at)
        with open(fd, "rb", buffering=0) as file:
            if row.list is not None and row.md5 is None and lists is not None:
                return is_composed_of(fd, lists(row))
            while data := file.read(_CHUNK):
                hasher.update(data)
        hasher.check()
    except (OSError, DamagedError):
        return False
    return True
