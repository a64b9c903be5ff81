"""Objects in the making: plaintext in, sealed segments out, one buffer to put in the end.

Segments are sealed on the caller's thread, or, `beside` the caller, on threads: where one large file is all there is to
do, that keeps every core busy.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..catalog.history import pack_lengths
from ..container import IndexEntry
from ..records import NewObject
from ..targets.base import Buffer, Target, Tier
from .sealing import Sealer

_AHEAD = 2
"""Segments that may wait for each sealing thread."""


class Room:
    """Memory of objects that were put, for the next ones: memory new to a process costs as much as sealing into it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._objects: deque[bytearray] = deque()
        self._segments: deque[bytearray] = deque()

    def object(self) -> bytearray:
        return self._objects.popleft() if self._objects else bytearray(self._size)

    def segment(self, size: int) -> bytearray:
        while self._segments:
            found = self._segments.popleft()
            if len(found) >= size:
                return found
        return bytearray(size)

    def give_segment(self, buffer: bytearray) -> None:
        self._segments.append(buffer)

    def give_object(self, buffer: bytearray) -> None:
        self._objects.append(buffer)

    def clear(self) -> None:
        self._objects.clear()
        self._segments.clear()


class Threads:
    """Threads that seal, and one that joins what they sealed."""

    def __init__(self, sealers: int) -> None:
        self.sealers = ThreadPoolExecutor(sealers)
        self.joiner = ThreadPoolExecutor(1)
        self.ahead = sealers * _AHEAD

    def close(self) -> None:
        self.sealers.shutdown(cancel_futures=True)
        self.joiner.shutdown(cancel_futures=True)


class Builder:
    """One object. Feed it with `add`, then `finish`. Not for several threads at once."""

    def __init__(self, sealer: Sealer, room: Room) -> None:
        self.sealer = sealer
        self.plain = 0
        self.lengths: list[int] = []
        self._room = room
        self._sealed = room.object()
        self._size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._segment = room.segment(sealer.room)
        self._fill = 0
        self._number = 0
        self._joining: deque[Future[None]] = deque()
        self._emit(memoryview(sealer.header))

    def add(self, data: Buffer, beside: Threads | None = None) -> int:
        """Append plaintext; where it starts. A full segment is held back: only `finish` knows which is the last."""
        start = self.plain
        view = memoryview(data)
        size = self.sealer.segment_size
        while len(view):
            if self._fill == size:
                self._full(beside)
            count = min(size - self._fill, len(view))
            self._segment[self._fill : self._fill + count] = view[:count]
            self._fill += count
            self.plain += count
            view = view[count:]
        return start

    def _full(self, beside: Threads | None) -> None:
        if beside is None:
            self._drain(0)
            self._seal_here(last=False)
            return
        self._drain(beside.ahead)
        sealing = beside.sealers.submit(self._seal_beside, self._number, self._segment, self._fill)
        self._number += 1
        self._joining.append(beside.joiner.submit(self._join, sealing))
        self._segment, self._fill = self._room.segment(self.sealer.room), 0

    def _seal_here(self, *, last: bool) -> None:
        out = self._room.segment(self.sealer.room)
        with memoryview(self._segment) as plain, memoryview(out) as view:
            length = self.sealer.segment(self._number, plain[: self._fill], view, last=last)
            self._emit(view[:length])
        self._room.give_segment(out)
        self.lengths.append(length)
        self._number += 1
        self._fill = 0

    def _seal_beside(self, number: int, segment: bytearray, size: int) -> tuple[bytearray, int]:
        out = self._room.segment(self.sealer.room)
        with memoryview(segment) as plain, memoryview(out) as view:
            length = self.sealer.segment(number, plain[:size], view, last=False)
        self._room.give_segment(segment)
        return out, length

    def _join(self, sealing: Future[tuple[bytearray, int]]) -> None:
        out, length = sealing.result()
        with memoryview(out) as view:
            self._emit(view[:length])
        self._room.give_segment(out)
        self.lengths.append(length)

    def _drain(self, leave: int) -> None:
        while len(self._joining) > leave or (self._joining and self._joining[0].done()):
            self._joining.popleft().result()

    def _emit(self, data: memoryview) -> None:
        end = self._size + len(data)
        if end > len(self._sealed):
            self._sealed += bytes(max(end - len(self._sealed), len(self._sealed) // 8))
        self._sealed[self._size : end] = data
        self._size = end
        self._md5.update(data)

    def settle(self) -> None:
        """Have all threads done with this object."""
        self._drain(0)

    def finish(self, entries: Sequence[IndexEntry] = ()) -> Sealed:
        """Seal what is left and the index."""
        self._drain(0)
        self._seal_here(last=True)
        self._room.give_segment(self._segment)
        self._emit(memoryview(self.sealer.tail(self.plain, self.lengths, entries)))
        return Sealed(self.sealer, self._sealed, self._size, self._md5.digest(), self.plain, self.lengths)


class Sealed:
    """A whole object in memory."""

    def __init__(
        self, sealer: Sealer, buffer: bytearray, size: int, md5: bytes, plain: int, lengths: list[int]
    ) -> None:
        self.name = sealer.name
        self.buffer = buffer
        self.size = size
        self._sealer = sealer
        self._md5 = md5
        self._plain = plain
        self._lengths = lengths

    def digest(self) -> str:
        """Hex SHA-256 of all its bytes, which goes into the next record."""
        with memoryview(self.buffer) as view:
            return hashlib.sha256(view[: self.size]).hexdigest()

    def put(self, target: Target, *, tier: Tier = Tier.JOB, tier_name: str = "Standard") -> NewObject:
        """Store it, create-only. Raises TargetError."""
        with memoryview(self.buffer) as view:
            stored = target.put(self.name, view[: self.size], md5=self._md5, tier=tier)
        return NewObject(
            self.name,
            stored.size,
            self._plain,
            stored.checksum,
            stored.etag,
            None,
            self._sealer.header,
            pack_lengths(self._lengths),
            tier_name,
            time.time_ns(),
        )
