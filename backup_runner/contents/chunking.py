"""Where a large content is cut into pieces: its bytes decide, so that what is inserted or deleted moves no other cut.

A window of 16 bytes slides over the data. With v and w its two little-endian words, a cut lies behind it where
(v + (w >> 11)) * m mod 2^64 exceeds a threshold; m comes from the seed of the lineage. Only windows from the
minimum on are looked at, and at the maximum a cut is forced. Greater and not less: windows of zeros give zero, and runs
of them would be cut at each minimum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from blake3 import blake3

from ..policy import PieceSizes

Buffer = bytes | bytearray | memoryview

WINDOW = 16
"""Bytes that decide whether a cut lies behind them."""
_WORD = 8
_BLOCK = 128 << 10
"""Bytes looked at in one go, so that what numpy makes of them stays in the core's cache."""
_SHIFT = np.uint64(11)
_ALL = 1 << 64


class Cutter:
    """Cuts by one seed and one set of sizes. Not for several threads at once: it works in memory of its own."""

    def __init__(self, seed: bytes, sizes: PieceSizes) -> None:
        self.sizes = sizes
        derived = blake3(seed, derive_key_context="backup-runner/cutter-multiplier").digest(8)
        # Odd, so that multiplying loses nothing of the sum.
        self._multiplier = np.uint64(int.from_bytes(derived, "little") | 1)
        self._threshold = np.uint64(_ALL - 1 - _ALL // (sizes.average - sizes.minimum))
        self._sums = np.empty(_BLOCK // _WORD, np.uint64)
        self._above = np.empty(_BLOCK // _WORD, np.bool_)
        self.zeros = blake3(bytes(sizes.maximum)).digest()
        """BLAKE3 of a piece of nothing but zero bytes, which has the greatest size."""

    def next(self, data: Buffer, start: int, end: int) -> int:
        """Where the piece that starts at `start` ends. What follows `end` does not exist, or is more than a maximum
        away from `start`."""
        at, stop = start + self.sizes.minimum, min(end, start + self.sizes.maximum)
        while at + WINDOW <= stop:
            count = min(_BLOCK, stop - at - WINDOW + 1)
            found = self._first(data, at, count)
            if found >= 0:
                return found + WINDOW
            at += count
        return stop

    def _first(self, data: Buffer, at: int, count: int) -> int:
        """The first of the `count` windows from `at` on behind which a cut lies; -1 for none."""
        best = -1
        for shift in range(min(_WORD, count)):
            # Every eighth window: their words lie side by side.
            number = (count - shift + _WORD - 1) // _WORD
            words = np.frombuffer(data, "<u8", number + 1, at + shift)
            sums, above = self._sums[:number], self._above[:number]
            np.right_shift(words[1:], _SHIFT, out=sums)
            np.add(sums, words[:-1], out=sums)
            np.multiply(sums, self._multiplier, out=sums)
            np.greater(sums, self._threshold, out=above)
            first = int(above.argmax())
            if above[first]:
                place = at + shift + first * _WORD
                if best < 0 or place < best:
                    best = place
        return best

    def cuts(self, data: Buffer, start: int, end: int, *, last: bool) -> Iterator[tuple[int, int]]:
        """(start, end) of the pieces of `data[start:end]` that can be told by now: all of them if nothing follows."""
        while start < end and (last or end - start >= self.sizes.maximum):
            cut = self.next(data, start, end)
            yield start, cut
            start = cut
