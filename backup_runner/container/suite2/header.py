"""The header of a suite 2 object (docs/format.md, Suite 2, Header)."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from ...errors import ContainerError, DamagedError, NoiseError, NotEntitledError, WrongKeyError
from ..header import (
    MAGIC,
    MAX_HEADER,
    MAX_SEGMENT_SIZE,
    MIN_SEGMENT_SIZE,
    SEGMENT_SIZE,
    VERSION,
    OpenedHeader,
    SealKeys,
)
from ..identity import Identity
from ..keys import Random
from ..names import ObjectId
from .envelope import Envelope, parse_envelope
from .lineage import Lineage
from .pairs import SEALED_LENGTH, epoch_pair, open_secret, seal_secret
from .primitives import DIGEST, hkdf, sha256

SUITE = 2

_FIXED = struct.Struct(">8sHHI16sB16sBIH")
_AFTER = SEALED_LENGTH + DIGEST


@dataclass(frozen=True, slots=True)
class ObjectKeys(SealKeys):
    """What is needed to seal and open parts of one suite 2 object; `owners` are those who may have signed it."""

    suite: ClassVar[int] = SUITE

    padding_key: bytes = field(repr=False)
    owners: tuple[bytes, ...] = field(repr=False)


def new_header(
    lineage: Lineage, object_id: ObjectId, *, segment_size: int = SEGMENT_SIZE, random: Random = os.urandom
) -> tuple[bytes, ObjectKeys]:
    """The header of a new object with a new data key, and the keys that seal the rest."""
    envelope = lineage.envelope
    if object_id.lineage != envelope.lineage or not _is_segment_size(segment_size):
        raise ValueError("another lineage's object, or a segment size out of bounds")
    data_key = random(DIGEST)
    length = _FIXED.size + len(envelope.raw) + _AFTER
    names = (object_id.lineage, object_id.kind, object_id.id)
    head = _FIXED.pack(MAGIC, VERSION, SUITE, length, *names, 0, segment_size, len(envelope.raw)) + envelope.raw
    head += seal_secret(data_key, envelope.public, b"data-key" + head)
    header = head + sha256(head)
    return header, _derive(data_key, object_id, header, segment_size, envelope)


def open_header(data: bytes, object_id: ObjectId, identity: Identity) -> OpenedHeader:
    """Check the header at the start of `data` and derive the object's keys.

    Raises DamagedError if it is not what was written or is stored under another object's name; NoiseError if its
    envelope is none of the lineage's; WrongKeyError if this identity is not a recipient.
    """
    with_name = _naming(object_id)
    try:
        head, segment_size, envelope = read_header(data, object_id)
        identity.check(envelope)
        pair = epoch_pair(identity.epoch_secret(envelope))
        sealed = head[-_AFTER:-DIGEST]
        data_key = open_secret(sealed, pair, b"data-key" + head[:-_AFTER])
        if data_key is None:
            raise DamagedError("the data key is damaged")
    except ContainerError as error:
        raise with_name(error) from error
    return OpenedHeader(_derive(data_key, object_id, head, segment_size, envelope), len(head))


def read_header(data: bytes, object_id: ObjectId) -> tuple[bytes, int, Envelope]:
    """Header, segment size and envelope: everything in a header that needs no secret. Raises DamagedError,
    NoiseError."""
    if len(data) < _FIXED.size:
        raise DamagedError("truncated in the header")
    magic, version, suite, length, lineage, kind, id_, zero, segment_size, size = _FIXED.unpack_from(data)
    if (magic, version, suite) != (MAGIC, VERSION, SUITE):
        raise DamagedError("not a container of suite 2")
    head = bytes(data[:length])
    if length != _FIXED.size + size + _AFTER or length > MAX_HEADER or len(head) < length:
        raise DamagedError("header length out of bounds, or truncated in the header")
    if sha256(head[:-DIGEST]) != head[-DIGEST:]:
        raise DamagedError("header damaged")
    if (lineage, kind, id_) != (object_id.lineage, object_id.kind, object_id.id):
        raise DamagedError("another object is stored under this name")
    if zero or not _is_segment_size(segment_size):
        raise DamagedError("header parameters out of bounds")
    return head, segment_size, parse_envelope(head[_FIXED.size : _FIXED.size + size], lineage)


def _naming(object_id: ObjectId) -> Callable[[ContainerError], ContainerError]:
    def named(error: ContainerError) -> ContainerError:
        text = f"{object_id.name}: {error.message}"
        for kind in (WrongKeyError, NoiseError, NotEntitledError):
            if isinstance(error, kind):
                return kind(text)
        return DamagedError(text)

    return named


def _is_segment_size(size: int) -> bool:
    return MIN_SEGMENT_SIZE <= size <= MAX_SEGMENT_SIZE and not size & (size - 1)


def _derive(data_key: bytes, object_id: ObjectId, header: bytes, segment_size: int, envelope: Envelope) -> ObjectKeys:
    return ObjectKeys(
        object_id=object_id,
        segment_size=segment_size,
        header_length=len(header),
        header_digest=sha256(header),
        cipher_key=hkdf(data_key, b"aes-256-cbc"),
        mac_key=hkdf(data_key, b"segment-mac"),
        trailer_key=hkdf(data_key, b"trailer-mac"),
        padding_key=hkdf(data_key, b"padding"),
        owners=envelope.owners,
    )
