"""One new object, segment by segment: sealed here, or elsewhere with its keys."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from backup_runner.container.header import SEGMENT_SIZE
from backup_runner.container.index import Index, IndexEntry
from backup_runner.container.keys import Random
from backup_runner.container.names import ObjectId
from backup_runner.container.segment import MAC_LENGTH, Stream, sealed_bound
from backup_runner.container.suite2.header import ObjectKeys, new_header
from backup_runner.container.suite2.index import seal_tail
from backup_runner.container.suite2.lineage import Lineage
from backup_runner.container.suite2.primitives import Buffer
from backup_runner.container.suite2.segment import seal_segment_into


@dataclass(slots=True)
class ObjectSealer:
    """Seals an object in its order: `header`, data segments, then what `finish` gives.

    Segments are sealed here, or anywhere with `keys` and `seal_segment_into` and then noted with `add`, in order.
    """

    lineage: Lineage
    keys: ObjectKeys
    header: bytes = field(repr=False)
    lengths: list[int] = field(default_factory=list)
    plaintext: int = 0
    _macs: bytearray = field(default_factory=bytearray, repr=False)
    _closed: bool = False

    @classmethod
    def new(
        cls, lineage: Lineage, object_id: ObjectId, *, segment_size: int = SEGMENT_SIZE, random: Random = os.urandom
    ) -> ObjectSealer:
        """An object with a data key of its own."""
        header, keys = new_header(lineage, object_id, segment_size=segment_size, random=random)
        return cls(lineage, keys, header)

    @property
    def size(self) -> int:
        """Bytes of the object so far."""
        return len(self.header) + sum(self.lengths)

    def seal_into(self, plain: Buffer, out: memoryview, *, last: bool, compress: bool = True) -> int:
        """Seal the next data segment into `out`, which has room for `sealed_bound(len(plain))`; its sealed length."""
        length = seal_segment_into(self.keys, Stream.DATA, len(self.lengths), plain, out, last=last, compress=compress)
        self.add(len(plain), length, out[length - MAC_LENGTH : length], last=last)
        return length

    def seal(self, plain: Buffer, *, last: bool, compress: bool = True) -> bytes:
        """The next data segment as new bytes."""
        out = memoryview(bytearray(sealed_bound(len(plain))))
        return bytes(out[: self.seal_into(plain, out, last=last, compress=compress)])

    def add(self, plain: int, length: int, mac: Buffer, *, last: bool) -> None:
        """Note the next data segment, which was sealed elsewhere: plain and sealed length, and its last 32 bytes."""
        if self._closed or (plain != self.keys.segment_size and not last):
            raise ValueError("a segment after the last, or a short one before it")
        self.lengths.append(length)
        self.plaintext += plain
        self._macs += mac
        self._closed = last

    def finish(self, entries: Sequence[IndexEntry] = (), *, random: Random = os.urandom) -> bytes:
        """All that follows the data segments: index, padding, signed trailer."""
        if not self._closed:
            raise ValueError("no segment was the last")
        index = Index(self.plaintext, self.lengths, entries, bytes(self._macs))
        return seal_tail(self.keys, self.lineage, index, random=random).data
