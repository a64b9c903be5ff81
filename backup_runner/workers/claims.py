"""Decides which process stores which content: a table of digests in memory that worker processes share.

The first process to claim a digest stores the bytes; others refer to them. The table survives a worker that dies,
its lock included: the kernel releases a dead process's lock. A failed put ends the run, and the table with it.
It grows by levels, each four times the previous one, so that nothing moves; a level is filled to three quarters.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import threading
from collections.abc import Sequence
from typing import IO

_SLOT = 2
"""Words of a slot: the first 16 bytes of a digest. It is free while the second one is zero."""
_WORDS = struct.Struct("=QQ")
_LEVELS = 4
_LEAST = 12
"""The first level has at least 2^12 slots."""
_HEAD = 16
"""Words before the slots: the flag of `stop`, and how many slots of each level are taken."""


class Claims:
    """Created before the workers are forked, with about as many slots as contents (more do no harm)."""

    def __init__(self, expected: int = 0) -> None:
        first = max(_LEAST, (expected * 4 // 3).bit_length())
        self._levels: list[tuple[int, int]] = []
        at = _HEAD
        for level in range(_LEVELS):
            slots = 1 << (first + 2 * level)
            self._levels.append((at, slots - 1))
            at += _SLOT * slots
        # Pages take memory only once they are touched, so unused levels cost nothing.
        length = 8 * at
        self._file = _nameless_file()
        self._map = mmap.mmap(-1, length, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_NORESERVE", 0))
        self._words = memoryview(self._map).cast("Q")
        self._thread = threading.Lock()

    def close(self) -> None:
        self._words.release()
        self._map.close()
        self._file.close()

    def stop(self) -> None:
        """Tell all workers to stop as soon as what they have read is stored."""
        self._words[0] = 1

    @property
    def stopped(self) -> bool:
        return bool(self._words[0])

    def claim(self, digests: Sequence[bytes]) -> list[bool]:
        """For each digest, whether the caller must store it; at most one of equal ones."""
        with self._thread:
            # A record lock belongs to the process, hence the other lock for its threads.
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                return [self._claim(digest) for digest in digests]
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _claim(self, digest: bytes) -> bool:
        words = self._words
        low, high = _key(digest)
        free, of = 0, 0
        for level, (start, mask) in enumerate(self._levels):
            slot = start + _SLOT * (low & mask)
            end = start + _SLOT * mask
            while there := words[slot + 1]:
                if there == high and words[slot] == low:
                    return False
                slot = start if slot == end else slot + _SLOT
            # Taken only once no further level can have the digest.
            if not free and words[1 + level] * 4 < mask * 3:
                free, of = slot, level
            if free and not words[2 + level]:
                break
        if free:
            words[free] = low
            words[free + 1] = high
            words[1 + of] += 1
        # Without space, equal contents are stored twice, which does no harm.
        return True


def _nameless_file() -> IO[bytes]:
    """A file to lock: in memory if possible, so that a full or foreign temporary folder does not matter."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("backup-runner-claims"), "w+b")
    return tempfile.TemporaryFile(prefix="backup-runner-")


def _key(digest: bytes) -> tuple[int, int]:
    """The first 16 bytes with one bit set: the second word is never that of a free slot."""
    low, high = _WORDS.unpack_from(digest)
    return low, high | 1
