"""Reads a large file window by window: its MD5 on a thread, cuts it into pieces, skips holes."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING

from blake3 import blake3

from ..policy import StoringPolicy
from ..records import Digests, PieceList, pieces_digest
from ..source.holes import Stretch, stretches

if TYPE_CHECKING:
    from .chunking import Cutter


def load_cutter() -> None:
    """Load what cuts large files. Before workers are forked, so that they share its memory."""
    from . import chunking  # noqa: F401


class Windows:
    """Two buffers that are filled alternately: while one is cut and stored, the other may still be hashed."""

    def __init__(self, size: int) -> None:
        self._buffers = [memoryview(bytearray(size)) for _ in range(2)]
        self._busy: list[Future[None] | None] = [None, None]
        self._turn = 0

    @property
    def size(self) -> int:
        return len(self._buffers[0])

    def following(self, rest: memoryview) -> memoryview:
        """The other buffer, which now starts with `rest`."""
        self._turn ^= 1
        if busy := self._busy[self._turn]:
            busy.result()
            self._busy[self._turn] = None
        buffer = self._buffers[self._turn]
        buffer[: len(rest)] = rest
        return buffer

    def used_by(self, work: Future[None]) -> None:
        """Do not reuse the buffer returned last before this is done."""
        self._busy[self._turn] = work

    def wait(self) -> None:
        for busy in self._busy:
            if busy:
                busy.result()
        self._busy = [None, None]


class Cutting:
    """What is needed to cut files of one store, reused for all files."""

    def __init__(self, seed: bytes, policy: StoringPolicy, hasher: Executor | None = None) -> None:
        self.policy = policy
        self.hasher = hasher
        self._seed = seed
        self._cutters: dict[int, Cutter] = {}
        self._windows: Windows | None = None

    def cutter(self, size: int) -> Cutter:
        """The cutter for a file with `size` bytes of data."""
        from .chunking import Cutter

        sizes = self.policy.sizes_for(size)
        if sizes.average not in self._cutters:
            self._cutters[sizes.average] = Cutter(self._seed, sizes)
        return self._cutters[sizes.average]

    def windows(self, cutter: Cutter) -> Windows:
        wanted = max(self.policy.window, 2 * cutter.sizes.maximum)
        if self._windows is None or self._windows.size < wanted:
            self._windows = Windows(wanted)
        return self._windows

    def known_by_pieces(self, fd: int, status: os.stat_result) -> Digests | None:
        """The identity of a file with too many zero bytes in holes to hash; None for others. Reads its data."""
        if status.st_size - status.st_blocks * 512 < self.policy.skipped_zeros:
            return None
        cut = FileCut(self, fd, status)
        if cut.hashed:
            return None
        for pieces in cut.windows():
            for piece in pieces:
                cut.took(blake3(piece).digest(), len(piece))
        return Digests(cut.size, cut.digests()[0], b"")


class FileCut:
    """One reading of an open file. Iterate over `windows`, report each piece with `took`, then call `digests`."""

    def __init__(self, cutting: Cutting, fd: int, status: os.stat_result) -> None:
        policy = cutting.policy
        self._fd = fd
        found = stretches(fd, status, policy.hole)
        data = sum(stretch.length for stretch in found if not stretch.hole)
        self._begin(cutting, found, data, hashed=status.st_size - data < policy.skipped_zeros)

    def _begin(self, cutting: Cutting, found: list[Stretch], data: int, *, hashed: bool) -> None:
        """`found` are the stretches to read, with about so many bytes of data."""
        self._hasher = cutting.hasher
        self._stretches = found
        self.cutter = cutting.cutter(data)
        self._windows = cutting.windows(self.cutter)
        self.hashed = hashed
        """Whether the whole file is hashed: not if it would mean hashing a terabyte of zeros."""
        self._strong = blake3()
        self._weak = hashlib.md5(usedforsecurity=False)
        self._pieces = PieceList()
        self.size = 0
        """Bytes processed so far, holes included."""
        self.read = 0
        """Bytes read."""

    def windows(self) -> Iterator[list[memoryview]]:
        """The pieces window by window; they are valid until the next window.

        An empty list is a hole. Ends early where the file has been cut short in the meantime."""
        try:
            for stretch in self._stretches:
                if stretch.hole:
                    self._skip(stretch.length)
                    yield []
                else:
                    yield from self._data(stretch)
                    if self.size < stretch.start + stretch.length:
                        return
        finally:
            self._windows.wait()

    def _data(self, stretch: Stretch) -> Iterator[list[memoryview]]:
        at, stop = stretch.start, stretch.start + stretch.length
        rest = memoryview(b"")
        while at < stop:
            window = self._windows.following(rest)
            have = len(rest)
            got = self._fill(window[have:], at, stop)
            if not got:
                stop = at
            at += got
            self.size += got
            self.read += got
            if got and self.hashed:
                self._hash(window[have : have + got])
            end = have + got
            cuts = list(self.cutter.cuts(window, 0, end, last=at >= stop))
            rest = window[cuts[-1][1] if cuts else 0 : end]
            yield [window[first:last] for first, last in cuts]

    def _fill(self, room: memoryview, at: int, stop: int) -> int:
        have, wanted = 0, min(len(room), stop - at)
        while have < wanted and (count := os.preadv(self._fd, [room[have:wanted]], at + have)):
            have += count
        return have

    def _hash(self, data: memoryview) -> None:
        if self._hasher is None:
            self._sum(data)
        else:
            # MD5 alone takes as long as all else that is done with the data of a file that did not change.
            self._windows.used_by(self._hasher.submit(self._weak.update, data))
            self._strong.update(data)

    def _sum(self, data: memoryview) -> None:
        self._weak.update(data)
        self._strong.update(data)

    def _skip(self, length: int) -> None:
        self.size += length
        self._pieces.add(None, length)
        if self.hashed:
            self._windows.wait()
            zeros = memoryview(bytes(min(length, 1 << 20)))
            for at in range(0, length, len(zeros)):
                self._sum(zeros[: min(len(zeros), length - at)])

    def took(self, digest: bytes, size: int) -> bool:
        """Add the next piece; False if it is only zeros, which are not stored."""
        if digest == self.cutter.zeros:
            self._pieces.add(None, size)
            return False
        self._pieces.add(digest, size)
        return True

    @property
    def composed(self) -> bool:
        """Whether the file is stored as a list of pieces; a single piece is stored as such."""
        return len(self._pieces) != 1 or next(iter(self._pieces)).blake3 is None

    def digests(self) -> tuple[bytes, bytes | None, bytes]:
        """BLAKE3 and MD5 of the whole, and the packed list of pieces; see `records`."""
        packed = self._pieces.packed()
        if self.hashed:
            return self._strong.digest(), self._weak.digest(), packed
        return pieces_digest(packed), None, packed


class StreamCut(FileCut):
    """The same for a stream of unknown length; it has no holes."""

    def __init__(self, cutting: Cutting, read_into: Callable[[memoryview], int], expected: int) -> None:
        """`read_into` gives the number of bytes it put into a buffer, 0 at the end. `expected` is the number of bytes
        of the last time: pieces get the same sizes as then."""
        self._read_into = read_into
        self._begin(cutting, [Stretch(0, sys.maxsize, hole=False)], expected, hashed=True)

    def _fill(self, room: memoryview, at: int, stop: int) -> int:
        have = 0
        while have < len(room) and (count := self._read_into(room[have:])):
            have += count
        return have
