"""The one place that distinguishes suites: by the number in an object's header, and then by that of its keys."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from ..errors import DamagedError
from . import header, index, segment
from .header import MAGIC, OpenedHeader, SealKeys
from .identity import Identity, as_identity, as_keyring
from .index import Index
from .keys import Keyring
from .names import ObjectId, ObjectKind
from .segment import Buffer, Stream
from .suite2 import header as header2
from .suite2 import index as index2
from .suite2 import segment as segment2

Opener = Keyring | Identity
"""Who decrypts: the holder of a raw crypto key, or any recipient."""

_START = struct.Struct(">8sHH")


class _Suite(NamedTuple):
    open_header: Callable[[bytes, ObjectId, Opener], OpenedHeader]
    read_index: Callable[[SealKeys, Buffer, int], Index | int]
    open_segment: Callable[..., bytes | memoryview]
    signed: bool


def _open_header_1(data: bytes, object_id: ObjectId, opener: Opener) -> OpenedHeader:
    if object_id.kind is ObjectKind.KEYS:
        raise DamagedError(f"{object_id.name}: suite 1 has no such objects")
    if isinstance(opener, Identity):
        opener.check_suite1(object_id)
    return header.open_header(data, object_id, as_keyring(opener))


def _open_header_2(data: bytes, object_id: ObjectId, opener: Opener) -> OpenedHeader:
    return header2.open_header(data, object_id, as_identity(opener))


_SUITES = {
    1: _Suite(_open_header_1, index.read_index, segment.open_segment, signed=False),
    2: _Suite(_open_header_2, index2.read_index, segment2.open_segment, signed=True),
}


def suite_of(data: bytes) -> int:
    """The suite number at the start of an object; 0 if it is unknown."""
    if len(data) < _START.size:
        return 0
    magic, _, suite = _START.unpack_from(data)
    return suite if magic == MAGIC and suite in _SUITES else 0


def open_header(data: bytes, object_id: ObjectId, opener: Opener) -> OpenedHeader:
    """Check the header at the start of `data` and derive the object's keys.

    Raises WrongKeyError if it is sealed to others; DamagedError if it is not what was written, or is stored under the
    name of another object; NoiseError, which is a DamagedError, if it never was an object of its lineage.
    """
    # Objects of unknown suites go to the first, which reports what is wrong.
    return _SUITES[suite_of(data) or 1].open_header(data, object_id, opener)


def read_index(keys: SealKeys, tail: Buffer, size: int) -> Index | int:
    """The index from the last bytes of an object of `size` bytes.

    If `tail` is too short, returns the number of last bytes that is enough. Raises DamagedError;
    NotEntitledError, which is one, if somebody signed it who may not write.
    """
    return _SUITES[keys.suite].read_index(keys, tail, size)


def open_segment(keys: SealKeys, stream: Stream, number: int, sealed: Buffer, *, last: bool) -> bytes | memoryview:
    """The plaintext of one segment.

    Raises DamagedError, naming object and segment, unless `sealed` is exactly that segment, intact.
    """
    return _SUITES[keys.suite].open_segment(keys, stream, number, sealed, last=last)


def is_signed(keys: SealKeys) -> bool:
    """Whether objects of this suite count only by their signature, which an object without its trailer lacks."""
    return _SUITES[keys.suite].signed
