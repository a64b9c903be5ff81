"""One new object, segment by segment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..header import SEGMENT_SIZE
from ..index import Index, IndexEntry
from ..keys import Random
from ..names import ObjectId
from ..segment import MAC_LENGTH, Stream, sealed_bound
from .header import ObjectKeys, new_header
from .index import seal_stream, seal_tail
from .lineage import Lineage
from .primitives import Buffer
from .segment import seal_segment_into


@dataclass(slots=True)
class ObjectSealer:
    """Seals an object in order: `header`, data segments, then the result of `finish`.

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
        """A new object with a new data key."""
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
        """Everything after the data segments: index, padding, signed trailer."""
        if not self._closed:
            raise ValueError("no segment was the last")
        index = Index(self.plaintext, self.lengths, entries, bytes(self._macs))
        return seal_tail(self.keys, self.lineage, index, random=random).data


def seal_object(
    lineage: Lineage,
    object_id: ObjectId,
    payload: Buffer,
    *,
    entries: Sequence[IndexEntry] = (),
    random: Random = os.urandom,
    segment_size: int = SEGMENT_SIZE,
    compress: bool = True,
) -> bytes:
    """A whole object from a payload in memory: records, catalog copies, small packs."""
    header, keys = new_header(lineage, object_id, segment_size=segment_size, random=random)
    segments = seal_stream(keys, Stream.DATA, payload, compress=compress, random=random)
    macs = b"".join(segment[-MAC_LENGTH:] for segment in segments)
    index = Index(len(payload), [len(segment) for segment in segments], entries, macs)
    return b"".join((header, *segments, seal_tail(keys, lineage, index, random=random).data))
