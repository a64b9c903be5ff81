"""Encrypts objects: the one place that knows which suite new objects have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..container import Index, IndexEntry, ObjectId, ObjectKind, Stream, sealed_bound
from ..container.segment import MAC_LENGTH
from ..container.suite2.header import ObjectKeys, new_header
from ..container.suite2.index import Tail, seal_tail
from ..container.suite2.lineage import Lineage
from ..container.suite2.padding import padded
from ..container.suite2.sealer import seal_object
from ..container.suite2.segment import seal_segment_into
from ..targets.base import Buffer


class Sealer(Protocol):
    """Encrypts one object. Several threads may encrypt segments at once, each number once."""

    @property
    def name(self) -> str:
        """The object's name in the bucket."""
        ...

    @property
    def header(self) -> bytes: ...

    @property
    def segment_size(self) -> int: ...

    @property
    def room(self) -> int:
        """Bytes that `segment` needs to write into."""
        ...

    def segment(self, number: int, plain: Buffer, out: memoryview, *, last: bool) -> int:
        """Encrypt a data segment into `out` and return its length in bytes."""
        ...

    def tail(self, plain: int, lengths: Sequence[int], entries: Sequence[IndexEntry]) -> Tail:
        """Everything after the data segments."""
        ...

    def padding(self, length: int) -> int:
        """The bytes of padding for an object of `length` bytes without it."""
        ...


@dataclass(frozen=True, slots=True)
class Sealing:
    """What encrypts the objects of one lineage; handed to worker processes."""

    lineage: Lineage

    def data(self) -> Sealer:
        """For a new pack."""
        return self.new(ObjectId.new(self.lineage.id, ObjectKind.DATA, os.urandom))

    def new(self, object_id: ObjectId) -> Sealer:
        header, keys = new_header(self.lineage, object_id)
        return _Suite2(self.lineage, header, keys)

    def whole(self, object_id: ObjectId, payload: bytes) -> bytes:
        """A small object at once."""
        return seal_object(self.lineage, object_id, payload)


@dataclass(frozen=True, slots=True)
class _Suite2:
    lineage: Lineage
    header: bytes
    keys: ObjectKeys
    _macs: dict[int, bytes] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        return self.keys.object_id.name

    @property
    def segment_size(self) -> int:
        return self.keys.segment_size

    @property
    def room(self) -> int:
        return sealed_bound(self.keys.segment_size)

    def segment(self, number: int, plain: Buffer, out: memoryview, *, last: bool) -> int:
        length = seal_segment_into(self.keys, Stream.DATA, number, plain, out, last=last)
        self._macs[number] = bytes(out[length - MAC_LENGTH : length])
        return length

    def tail(self, plain: int, lengths: Sequence[int], entries: Sequence[IndexEntry]) -> Tail:
        macs = b"".join(self._macs[number] for number in range(len(lengths)))
        return seal_tail(self.keys, self.lineage, Index(plain, lengths, entries, macs))

    def padding(self, length: int) -> int:
        return padded(length) - length
