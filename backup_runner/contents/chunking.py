"""Decides where a large content is cut into pieces: by its bytes, so that insertions and deletions move no other cut.

A window of 32 bytes slides over the data. With w(0) to w(7) its little-endian words of 32 bits and f(i) =
m * (w(i) + w(i+1) + n * (w(i+2) + w(i+3))), there is a cut after it where f(0) + f(4), mod 2^32, exceeds a threshold; m
and n come from the seed of the lineage. Only windows from the minimum size on are checked, and at the maximum a cut is
forced. Greater and not less: windows of zeros give zero, and runs of them would be cut at each minimum.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from blake3 import blake3

from ..policy import PieceSizes

Buffer = bytes | bytearray | memoryview

WINDOW = 32
"""Bytes of the window that decides about a cut after it."""
_WORD = 4
_BLOCK = 64 << 10
"""Bytes processed at once, so that numpy's results stay in the core's cache."""
_ALL = 1 << 32


class Cutter:
    """Cuts with one seed and one set of sizes. Not for several threads at once: it reuses its own memory."""

    def __init__(self, seed: bytes, sizes: PieceSizes) -> None:
        self.sizes = sizes
        derived = blake3(seed, derive_key_context="backup-runner/cutter-multipliers").digest(2 * _WORD)
        # Odd, so that multiplying loses nothing of the sums.
        self._m, self._n = (np.uint32(int.from_bytes(derived[at : at + _WORD], "little") | 1) for at in (0, _WORD))
        self._threshold = np.uint32(_ALL - 1 - _ALL // (sizes.average - sizes.minimum))
        words = _BLOCK // _WORD
        self._one, self._two = (np.empty(words + 7, np.uint32) for _ in range(2))
        self._above = np.empty(words, np.bool_)
        self.zeros = blake3(bytes(sizes.maximum)).digest()
        """BLAKE3 of a piece of zero bytes, which has the maximum size."""

    def next(self, data: Buffer, start: int, end: int) -> int:
        """The end of the piece that starts at `start`. There are no bytes after `end`, or they are more than a maximum
        size away from `start`."""
        at, stop = start + self.sizes.minimum, min(end, start + self.sizes.maximum)
        while at + WINDOW <= stop:
            count = min(_BLOCK, stop - at - WINDOW + 1)
            found = self._first(data, at, count)
            if found >= 0:
                return found + WINDOW
            at += count
        return stop

    def _first(self, data: Buffer, at: int, count: int) -> int:
        """The first of the `count` windows from `at` on with a cut after it; -1 for none."""
        best = -1
        for shift in range(min(_WORD, count)):
            # Every fourth window: their words are adjacent.
            number = (count - shift + _WORD - 1) // _WORD
            words = np.frombuffer(data, "<u4", number + 7, at + shift)
            products = self._one[: number + 7]
            np.multiply(words, self._m, out=products)
            pairs = self._two[: number + 6]
            np.add(products[1:], products[:-1], out=pairs)
            fours = self._one[: number + 4]
            np.multiply(pairs[2:], self._n, out=fours)
            np.add(fours, pairs[:-2], out=fours)
            sums, above = self._two[:number], self._above[:number]
            np.add(fours[4:], fours[:-4], out=sums)
            np.greater(sums, self._threshold, out=above)
            first = int(above.argmax())
            if above[first]:
                place = at + shift + first * _WORD
                if best < 0 or place < best:
                    best = place
        return best

    def cuts(self, data: Buffer, start: int, end: int, *, last: bool) -> Iterator[tuple[int, int]]:
        """(start, end) of the pieces of `data[start:end]` that are known so far: all of them if nothing follows."""
        while start < end and (last or end - start >= self.sizes.maximum):
            cut = self.next(data, start, end)
            yield start, cut
            start = cut
