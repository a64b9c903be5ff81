"""The trailer: lengths, and the signature of an object (docs/format.md, Padding and trailer)."""

from __future__ import annotations

import hmac
import os
import struct
from typing import NamedTuple

from ...errors import NotEntitledError
from ..keys import Random
from .header import ObjectKeys
from .lineage import Lineage, Rights, Signer, check_entitled
from .padding import padded
from .primitives import DIGEST, Buffer, decrypt_blocks, encrypt_blocks, keyed
from .signing import SIGNATURE_LENGTH, is_signed

TRAILER_LENGTH = 304
MAX_INDEX = 256 << 20

_IV = 16
_LENGTHS = struct.Struct(">QQIIQQQQ")
_SIGNER = struct.Struct(">32sB7s64s")
_PLAIN = 256
_SIGNED = _PLAIN - SIGNATURE_LENGTH


class Lengths(NamedTuple):
    """Where the parts of an object are; lengths in bytes."""

    data_length: int
    data_sealed: int
    data_segments: int
    index_segments: int
    index_length: int
    index_sealed: int
    padding: int
    total: int


class Trailer(NamedTuple):
    """The contents of a valid trailer."""

    lengths: Lengths
    index_digest: bytes
    signer: Signer


def seal_trailer(
    keys: ObjectKeys, lineage: Lineage, lengths: Lengths, index_digest: bytes, *, random: Random = os.urandom
) -> bytes:
    """The last bytes of an object, signed by the lineage's writer."""
    signer = lineage.signer
    signed = _LENGTHS.pack(*lengths) + index_digest
    signed += _SIGNER.pack(signer.public, signer.rights, bytes(7), signer.enrolment)
    plain = signed + lineage.writer.key.sign(b"object", keys.header_digest + signed)
    iv = random(_IV)
    covered = iv + encrypt_blocks(keys.cipher_key, iv, plain)
    return covered + keyed(keys.trailer_key, keys.header_digest, covered)


def open_trailer(keys: ObjectKeys, tail: Buffer, size: int) -> Trailer:
    """The trailer at the end of `tail`, the last bytes of an object of `size` bytes.

    Raises DamagedError; NotEntitledError if it is intact but not signed by an authorised writer.
    """
    raw = bytes(tail[-TRAILER_LENGTH:])
    covered, mac = raw[:-DIGEST], raw[-DIGEST:]
    if len(raw) < TRAILER_LENGTH or not hmac.compare_digest(keyed(keys.trailer_key, keys.header_digest, covered), mac):
        raise keys.damaged("trailer altered, cut short, followed by something, or of another object")
    plain = decrypt_blocks(keys.cipher_key, covered[:_IV], covered[_IV:])
    lengths = Lengths(*_LENGTHS.unpack_from(plain))
    _check_lengths(keys, lengths, size)
    public, rights, zeros, enrolment = _SIGNER.unpack_from(plain, _LENGTHS.size + DIGEST)
    if any(zeros) or rights not in list(Rights):
        raise keys.damaged("trailer of an unknown form")
    signer = Signer(public, Rights(rights), enrolment)
    _check_signer(keys, signer, plain)
    return Trailer(lengths, plain[_LENGTHS.size : _LENGTHS.size + DIGEST], signer)


def _check_lengths(keys: ObjectKeys, lengths: Lengths, size: int) -> None:
    bare = keys.header_length + lengths.data_sealed + lengths.index_sealed + TRAILER_LENGTH
    if not size == lengths.total == bare + lengths.padding:
        raise keys.damaged(f"has {size} bytes, was sealed with {lengths.total}")
    if lengths.total != padded(bare) or lengths.index_length > MAX_INDEX:
        raise keys.damaged("lengths of padding or index out of bounds")


def _check_signer(keys: ObjectKeys, signer: Signer, plain: bytes) -> None:
    try:
        check_entitled(keys.object_id.lineage, keys.owners, signer)
    except NotEntitledError as error:
        raise NotEntitledError(f"{keys.object_id.name}: {error.message}") from error
    if not is_signed(signer.public, plain[_SIGNED:], b"object", keys.header_digest + plain[:_SIGNED]):
        raise NotEntitledError(f"{keys.object_id.name}: its signature is invalid")
