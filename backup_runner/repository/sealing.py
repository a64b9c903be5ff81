"""What seals an object: the one place that knows which suite new objects have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..container import (
    Index,
    IndexEntry,
    ObjectId,
    ObjectKind,
    SealKeys,
    Stream,
    new_header,
    seal_index,
    seal_segment_into,
    sealed_bound,
)
from ..container.keys import Keyring
from ..targets.base import Buffer


class Sealer(Protocol):
    """Seals one object. Segments may be sealed by several threads at once, each number once."""

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
        """Seal a data segment into `out`; its sealed length."""
        ...

    def tail(self, plain: int, lengths: Sequence[int], entries: Sequence[IndexEntry]) -> bytes:
        """All that follows the data segments."""
        ...


@dataclass(frozen=True, slots=True)
class Sealing:
    """What the objects of one lineage are sealed with; handed to worker processes as it is."""

    lineage: bytes
    keyring: Keyring
    salt: bytes

    def data(self) -> Sealer:
        """For a new pack."""
        return self.new(ObjectId.new(self.lineage, ObjectKind.DATA, os.urandom))

    def new(self, object_id: ObjectId) -> Sealer:
        header, keys = new_header(object_id, self.keyring, self.salt)
        return _Suite1(header, keys)


@dataclass(frozen=True, slots=True)
class _Suite1:
    header: bytes
    keys: SealKeys

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
        return seal_segment_into(self.keys, Stream.DATA, number, plain, out, last=last)

    def tail(self, plain: int, lengths: Sequence[int], entries: Sequence[IndexEntry]) -> bytes:
        return seal_index(self.keys, Index(plain, lengths, entries))
