"""The header of an object: its name, its parameters, its wrapped data key (docs/format.md, Header)."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass, field
from typing import ClassVar

from ..errors import ContainerError, DamagedError, WrongKeyError
from .keys import DATA_KEY_LENGTH, DEFAULT_COST, KEY_LENGTHS, WRAPPED_LENGTH, Cost, Keyring, Random, Stanza, hkdf
from .names import ObjectId, ObjectKind

MAGIC = b"BKRUNNER"
VERSION = 1
SUITE = 1
MAX_HEADER = 65536
MAX_STANZAS = 16
SEGMENT_SIZE = 1 << 20
MIN_SEGMENT_SIZE = 1 << 12
MAX_SEGMENT_SIZE = 1 << 24

_FIXED = struct.Struct(">8sHHI16sB16sBIH")
_STANZA = struct.Struct(">HH")
_SCRYPT = struct.Struct(f">8sBBB32s{WRAPPED_LENGTH}s")
_SCRYPT_TYPE = 1
_DIGEST = 32
_CIPHER_LABELS = {16: b"aes-128-cbc", 24: b"aes-192-cbc", 32: b"aes-256-cbc"}


@dataclass(frozen=True, slots=True)
class SealKeys:
    """What is needed to seal and open parts of one object; handed to worker processes."""

    suite: ClassVar[int] = SUITE

    object_id: ObjectId
    segment_size: int
    header_length: int
    header_digest: bytes = field(repr=False)
    cipher_key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)
    trailer_key: bytes = field(repr=False)

    def damaged(self, what: str) -> DamagedError:
        """An error with the name of this object."""
        return DamagedError(f"{self.object_id.name}: {what}")


@dataclass(frozen=True, slots=True)
class OpenedHeader:
    """A verified header; `length` is where the data segments start."""

    keys: SealKeys
    length: int


def new_header(
    object_id: ObjectId,
    keyring: Keyring,
    salt: bytes,
    *,
    random: Random = os.urandom,
    segment_size: int = SEGMENT_SIZE,
    cost: Cost = DEFAULT_COST,
) -> tuple[bytes, SealKeys]:
    """The header of a new object with a new data key, and the keys that seal the rest."""
    data_key = random(DATA_KEY_LENGTH)
    stanza = keyring.wrap(data_key, salt, cost)
    body = _SCRYPT.pack(stanza.key_id, *cost, stanza.salt, stanza.wrapped)
    length = _FIXED.size + _STANZA.size + len(body) + 2 * _DIGEST
    key_length = len(keyring.crypto_key.raw)
    fixed = _FIXED.pack(
        MAGIC,
        VERSION,
        SUITE,
        length,
        object_id.lineage,
        object_id.kind,
        object_id.id,
        key_length,
        segment_size,
        1,
    )
    head = fixed + _STANZA.pack(_SCRYPT_TYPE, len(body)) + body
    head += hashlib.sha256(head).digest()
    header = head + hmac.digest(hkdf(data_key, b"header", 32), head, "sha256")
    return header, _derive(data_key, object_id, header, key_length, segment_size)


def stated_id(data: bytes) -> ObjectId:
    """The name of an object according to its header, if the name is lost; `open_header` then verifies the header.

    Raises DamagedError if this is not a header."""
    if len(data) < _FIXED.size:
        raise DamagedError("truncated in the header")
    magic, _, _, _, lineage, kind, id_, *_ = _FIXED.unpack_from(data)
    if magic != MAGIC or kind not in list(ObjectKind):
        raise DamagedError("not a container")
    return ObjectId(lineage, ObjectKind(kind), id_)


def open_header(data: bytes, object_id: ObjectId, keyring: Keyring | None) -> OpenedHeader:
    """Check the header at the start of `data` and derive the object's keys.

    Raises WrongKeyError if it was sealed with another key; DamagedError if it is not what was written, or
    is stored under the name of another object.
    """
    try:
        return _open(bytes(data[:MAX_HEADER]), object_id, keyring)
    except WrongKeyError as error:
        raise WrongKeyError(
            f"{object_id.name}: {error.message}", hint="use the key that this lineage was backed up with"
        ) from error
    except ContainerError as error:
        raise DamagedError(f"{object_id.name}: {error.message}") from error


def _open(data: bytes, object_id: ObjectId, keyring: Keyring | None) -> OpenedHeader:
    if len(data) < _FIXED.size:
        raise DamagedError("truncated in the header")
    magic, version, suite, length, lineage, kind, id_, key_length, segment_size, count = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise DamagedError("not a container")
    if (version, suite) != (VERSION, SUITE):
        raise DamagedError(f"format {version}, suite {suite}: damaged, or written by a newer version")
    header = data[:length]
    body, checksum, mac = header[: -2 * _DIGEST], header[-2 * _DIGEST : -_DIGEST], header[-_DIGEST:]
    if not _FIXED.size + 2 * _DIGEST <= length == len(header):
        raise DamagedError("header length out of bounds, or truncated in the header")
    if hashlib.sha256(body).digest() != checksum:
        raise DamagedError("header damaged")
    if (lineage, kind, id_) != (object_id.lineage, object_id.kind, object_id.id):
        raise DamagedError("another object is stored under this name")
    data_key = _unwrap(_stanzas(body, count), keyring)
    expected = hmac.digest(hkdf(data_key, b"header", 32), header[:-_DIGEST], "sha256")
    if not hmac.compare_digest(expected, mac):
        raise DamagedError("header was modified")
    if key_length not in KEY_LENGTHS or not MIN_SEGMENT_SIZE <= segment_size <= MAX_SEGMENT_SIZE:
        raise DamagedError("header parameters out of bounds")
    return OpenedHeader(_derive(data_key, object_id, header, key_length, segment_size), length)


def _stanzas(body: bytes, count: int) -> list[Stanza]:
    if not 1 <= count <= MAX_STANZAS:
        raise DamagedError("number of stanzas out of bounds")
    found = []
    at = _FIXED.size
    for _ in range(count):
        if at + _STANZA.size > len(body):
            raise DamagedError("stanzas are truncated")
        kind, length = _STANZA.unpack_from(body, at)
        at += _STANZA.size
        if kind == _SCRYPT_TYPE and length == _SCRYPT.size and at + length <= len(body):
            key_id, log2_n, r, p, salt, wrapped = _SCRYPT.unpack_from(body, at)
            found.append(Stanza(key_id, Cost(log2_n, r, p), salt, wrapped))
        at += length
    if at != len(body):
        raise DamagedError("stanzas have the wrong length")
    return found


def _unwrap(stanzas: list[Stanza], keyring: Keyring | None) -> bytes:
    """The data key from the first stanza that is ours."""
    if keyring is None:
        raise WrongKeyError("a suite 1 object, which only the raw crypto key of that time can open")
    # Known results come first: a stranger's stanza must not cost a run of scrypt before ours is tried.
    for stanza in sorted(stanzas, key=lambda one: not keyring.knows(one.salt, one.cost)):
        try:
            return keyring.unwrap(stanza)
        except WrongKeyError:
            continue
    raise WrongKeyError("encrypted with another crypto key")


def _derive(data_key: bytes, object_id: ObjectId, header: bytes, key_length: int, segment_size: int) -> SealKeys:
    return SealKeys(
        object_id=object_id,
        segment_size=segment_size,
        header_length=len(header),
        header_digest=hashlib.sha256(header).digest(),
        cipher_key=hkdf(data_key, _CIPHER_LABELS[key_length], key_length),
        mac_key=hkdf(data_key, b"segment-mac", 32),
        trailer_key=hkdf(data_key, b"trailer", 32),
    )
