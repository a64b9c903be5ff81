"""Whether bytes are those that were backed up."""

from __future__ import annotations

import hashlib
import os

from blake3 import blake3

from ..catalog.restoring import FileRow
from ..errors import DamagedError

_CHUNK = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Hasher:
    """Checks the strong hash of a content as its bytes pass by; MD5 where none is recorded."""

    def __init__(self, row: FileRow) -> None:
        self._expected = row.blake3 or row.md5
        self._hash = blake3() if row.blake3 or not row.md5 else hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._row = row

    def update(self, data: bytes) -> None:
        self._size += len(data)
        if self._expected is not None:
            self._hash.update(data)

    def check(self) -> None:
        """Raises DamagedError unless these were the bytes that were backed up."""
        if self._size != self._row.size:
            raise DamagedError(f"has {self._size} bytes, but {self._row.size} were backed up")
        if self._expected is not None and self._hash.digest() != self._expected:
            raise DamagedError("its hash does not match what was backed up")


def same_bytes(at: int, name: bytes, row: FileRow) -> bool:
    """Whether the file there has the recorded hash; one that cannot be read, or has none, has not."""
    if row.blake3 is None and row.md5 is None:
        return False
    hasher = Hasher(row)
    try:
        fd = os.open(name, _READ, dir_fd=at)
        with open(fd, "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                hasher.update(data)
        hasher.check()
    except (OSError, DamagedError):
        return False
    return True
