"""Hashes of a large file as it goes by: of the whole content, and of the parts that the journal keeps."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Executor, Future
from typing import Any

from blake3 import blake3

from ..container import SEGMENT_SIZE

_BEHIND = 8
"""Buffers that may wait to be hashed."""


class Sums:
    """BLAKE3 and MD5 of a content as it goes by, taken on a thread (an executor of one: the order matters).

    Can be wound back to the start of a stretch with `copy` and `become`."""

    def __init__(self, thread: Executor) -> None:
        self._thread = thread
        self._strong: Any = blake3()
        self._weak = hashlib.md5(usedforsecurity=False)
        self._waiting: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        self._waiting.append(self._thread.submit(self._add, data))
        self._wait(_BEHIND)

    def _add(self, data: bytes) -> None:
        self._strong.update(data)
        self._weak.update(data)

    def _wait(self, leave: int) -> None:
        while len(self._waiting) > leave:
            self._waiting.popleft().result()

    def digests(self) -> tuple[bytes, bytes]:
        """BLAKE3 and MD5 of all that went by."""
        self._wait(0)
        return self._strong.digest(), self._weak.digest()

    def copy(self) -> Sums:
        self._wait(0)
        other = Sums(self._thread)
        other._strong, other._weak = self._strong.copy(), self._weak.copy()
        return other

    def become(self, other: Sums) -> None:
        """Go on from where another one is."""
        self._wait(0)
        other._wait(0)
        self._strong, self._weak = other._strong, other._weak


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
