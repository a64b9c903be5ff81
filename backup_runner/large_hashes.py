"""Hashes of a large file as it goes by: of the whole content, and of the parts that the journal keeps."""

from __future__ import annotations

import hashlib
from typing import Any

from blake3 import blake3

from .container import SEGMENT_SIZE


class Sums:
    """BLAKE3 and MD5 of a content as it goes by; can be wound back to the start of a stretch."""

    def __init__(self) -> None:
        self.strong: Any = blake3()
        self.weak = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self.strong.update(data)
        self.weak.update(data)

    def copy(self) -> Sums:
        other = Sums()
        other.strong, other.weak = self.strong.copy(), self.weak.copy()
        return other


class PartHashes:
    """What a part's stretch of plaintext is known by: BLAKE3 over the BLAKE3 digests of its segments."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._digests: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        self._digests.append(blake3(chunk).digest())

    def all(self) -> bytes:
        return bytes(blake3(b"".join(self._digests)).digest())

    def take(self, start: int, segments: int) -> bytes:
        """The hash of a stretch that begins where the last one ended."""
        assert start == self._start
        taken = self._digests[:segments]
        del self._digests[:segments]
        self._start += segments * SEGMENT_SIZE
        return bytes(blake3(b"".join(taken)).digest())
