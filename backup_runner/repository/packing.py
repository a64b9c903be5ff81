"""Builds objects: plaintext in, encrypted segments out, one buffer to upload at the end.

Segments are encrypted on the caller's thread or, with `beside`, on other threads: with only one large file,
that keeps every core busy. Padding would add up to 3 %: so a pack is closed just below a step of
the padded lengths, which `is_full` finds.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import NamedTuple

from ..container import IndexEntry
from ..container.lengths import pack_lengths
from ..container.suite2.index import Tail
from ..policy import StoringPolicy
from ..records import NewObject
from ..targets.base import Buffer, Target, Tier
from .sealing import Sealer

_AHEAD = 2
"""Maximum number of segments that wait for each encrypting thread."""
_EARLY = 0.85
"""From this share of a pack's limits on, it is closed when little padding would be added."""
_TIGHT, _LOOSE = 1 / 400, 1 / 100
"""How much padding counts as little: at first the first share of the pack, at its limits the second."""
_STEP = 1 / 256
"""This share of a pack is added before its exact length is found out once more, which costs encrypting its end."""
_SEGMENT_COST = 80
"""Approximate bytes that encryption adds to a segment."""


def _memory(size: int) -> mmap:
    """Memory that takes up room only where it was written to; bytearrays write to all of theirs."""
    return mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)


class Room:
    """Memory of uploaded objects, for the next ones: new memory costs a process as much as encrypting into it."""

    def __init__(self, size: int) -> None:
        self.entry_cost = 80.0
        """Encrypted bytes per index entry, estimated from the last ones."""
        self._size = size
        self._objects: deque[mmap] = deque()
        self._segments: deque[bytearray] = deque()

    def object(self) -> mmap:
        return self._objects.popleft() if self._objects else _memory(self._size)

    def segment(self, size: int) -> bytearray:
        while self._segments:
            found = self._segments.popleft()
            if len(found) >= size:
                return found
        return bytearray(size)

    def give_segment(self, buffer: bytearray) -> None:
        self._segments.append(buffer)

    def give_object(self, buffer: mmap) -> None:
        self._objects.append(buffer)

    def clear(self) -> None:
        self._objects.clear()
        self._segments.clear()


class Threads:
    """Threads that encrypt, and one that joins their results."""

    def __init__(self, sealers: int) -> None:
        self.sealers = ThreadPoolExecutor(sealers)
        self.joiner = ThreadPoolExecutor(1)
        self.ahead = sealers * _AHEAD

    def close(self) -> None:
        self.sealers.shutdown(cancel_futures=True)
        self.joiner.shutdown(cancel_futures=True)


class _End(NamedTuple):
    """The last segment with its length, and what follows it."""

    segment: bytearray
    length: int
    tail: Tail


class _Measured(NamedTuple):
    """What an object of so much plaintext and so many entries was long without padding, when that was last found
    out."""

    plain: int = 0
    entries: int = 0
    length: int = 0
    share: float = 0.0
    """By how much it grew for each byte of plaintext since the time before."""

    def then(self, plain: int, entries: int, length: int) -> _Measured:
        share = (length - self.length) / (plain - self.plain) if self.length else 0.0
        return _Measured(plain, entries, length, share)


class _Output:
    """The bytes of an object so far: the first `size` of `buffer`."""

    def __init__(self, buffer: mmap) -> None:
        self.buffer = buffer
        self.size = 0
        self.md5 = hashlib.md5(usedforsecurity=False)

    def write(self, data: memoryview) -> None:
        end = self.size + len(data)
        if end > len(self.buffer):
            larger = _memory(end + len(self.buffer) // 8)
            larger.write(self.buffer[: self.size])
            self.buffer = larger
        self.buffer[self.size : end] = data
        self.size = end
        self.md5.update(data)


class Builder:
    """One object. Feed it with `add`, then `finish`. Not for several threads at once."""

    def __init__(self, sealer: Sealer, room: Room) -> None:
        self.sealer = sealer
        self.plain = 0
        self.entries: list[IndexEntry] = []
        """The entries of its index."""
        self._lengths: list[int] = []
        self._end: _End | None = None
        self._room = room
        self._out = _Output(room.object())
        self._segment = room.segment(sealer.room)
        self._fill = 0
        self._number = 0
        self._measured = _Measured()
        self._joining: deque[Future[None]] = deque()
        self._out.write(memoryview(sealer.header))

    def add(self, data: Buffer, beside: Threads | None = None) -> int:
        """Append plaintext and return its offset. A full segment is held back: only `finish` knows which is the
        last."""
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
            self._seal_here()
            return
        self._drain(beside.ahead)
        sealing = beside.sealers.submit(self._seal_beside, self._number, self._segment, self._fill)
        self._number += 1
        self._joining.append(beside.joiner.submit(self._join, sealing))
        self._segment, self._fill = self._room.segment(self.sealer.room), 0

    def _seal_here(self) -> None:
        out, length = self._sealed_segment(last=False)
        with memoryview(out) as view:
            self._out.write(view[:length])
        self._room.give_segment(out)
        self._lengths.append(length)
        self._number += 1
        self._fill = 0

    def _sealed_segment(self, *, last: bool) -> tuple[bytearray, int]:
        out = self._room.segment(self.sealer.room)
        with memoryview(self._segment) as plain, memoryview(out) as view:
            return out, self.sealer.segment(self._number, plain[: self._fill], view, last=last)

    def _seal_beside(self, number: int, segment: bytearray, size: int) -> tuple[bytearray, int]:
        out = self._room.segment(self.sealer.room)
        with memoryview(segment) as plain, memoryview(out) as view:
            length = self.sealer.segment(number, plain[:size], view, last=False)
        self._room.give_segment(segment)
        return out, length

    def _join(self, sealing: Future[tuple[bytearray, int]]) -> None:
        out, length = sealing.result()
        with memoryview(out) as view:
            self._out.write(view[:length])
        self._room.give_segment(out)
        self._lengths.append(length)

    def _drain(self, leave: int) -> None:
        while len(self._joining) > leave or (self._joining and self._joining[0].done()):
            self._joining.popleft().result()

    def is_full(self, policy: StoringPolicy) -> bool:
        """Whether to close it now: at its limits, or shortly before if little padding would be added."""
        filled = max(self.plain / policy.pack_bytes, len(self.entries) / policy.pack_contents)
        if filled >= 1 or filled < _EARLY:
            return filled >= 1
        if self.plain - self._measured.plain < policy.pack_bytes * _STEP:
            return False
        allowed = _TIGHT + (_LOOSE - _TIGHT) * (filled - _EARLY) / (1 - _EARLY)
        length = self._guess()
        if self.sealer.padding(length) > allowed * length:
            return False
        end = self._seal_end()
        self._room.entry_cost = (len(end.tail.data) - end.tail.padding) / max(1, len(self.entries))
        exact = self._out.size + end.length + len(end.tail.data) - end.tail.padding
        if end.tail.padding > allowed * exact:
            self._room.give_segment(end.segment)
            self._measured = self._measured.then(self.plain, len(self.entries), exact)
            return False
        self._end = end
        return True

    def _guess(self) -> int:
        """Its approximate length without padding if it were closed now: some segments are not encrypted yet."""
        sealed, done = self._out.size, len(self._lengths) * self.sealer.segment_size
        share = sum(self._lengths) / done if done else 1.0
        plain, entries, exact, recent = self._measured
        if exact:
            sealed, done, share = exact, plain, recent or share
        waiting = self.plain - done
        segments = -(-waiting // self.sealer.segment_size) or 1
        index = (len(self.entries) - entries) * self._room.entry_cost
        return int(sealed + waiting * min(share, 1.0) + segments * _SEGMENT_COST + index)

    def _seal_end(self) -> _End:
        self._drain(0)
        segment, length = self._sealed_segment(last=True)
        tail = self.sealer.tail(self.plain, [*self._lengths, length], self.entries)
        return _End(segment, length, tail)

    def finish(self) -> Sealed:
        """Encrypt the rest and the index."""
        segment, length, tail = self._end or self._seal_end()
        with memoryview(segment) as view:
            self._out.write(view[:length])
        self._lengths.append(length)
        self._room.give_segment(segment)
        self._room.give_segment(self._segment)
        self._out.write(memoryview(tail.data))
        out = self._out
        return Sealed(self.sealer, out.buffer, out.size, tail.padding, out.md5.digest(), self.plain, self._lengths)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A whole object in memory: the first `size` bytes of `buffer`."""

    sealer: Sealer
    buffer: mmap
    size: int
    padding: int
    md5: bytes
    plain: int
    lengths: list[int]

    def digest(self) -> str:
        """Hex SHA-256 of all its bytes, for the next record."""
        with memoryview(self.buffer) as view:
            return hashlib.sha256(view[: self.size]).hexdigest()

    def put(self, target: Target, *, tier: Tier = Tier.JOB, tier_name: str = "Standard") -> NewObject:
        """Store it, create-only. Raises TargetError."""
        with memoryview(self.buffer) as view:
            stored = target.put(self.sealer.name, view[: self.size], md5=self.md5, tier=tier)
        return NewObject(
            self.sealer.name,
            stored.size,
            self.plain,
            stored.checksum,
            stored.etag,
            None,
            self.sealer.header,
            pack_lengths(self.lengths),
            tier_name,
            time.time_ns(),
        )
