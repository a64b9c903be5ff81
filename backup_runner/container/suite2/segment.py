"""Seals and opens single suite 2 segments (docs/format.md, Suite 2, Segments)."""

from __future__ import annotations

import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ...errors import DamagedError
from ..header import SealKeys
from ..keys import Random
from ..segment import BLOCK, IV_LENGTH, MAC_LENGTH, Codec, Stream, decode, decrypt, encode
from .primitives import Buffer, decrypt_blocks, keyed

HEAD = struct.Struct(">BBBBIII")
START = IV_LENGTH + HEAD.size
"""This many bytes of a segment are enough for its length."""
OVERHEAD = START + BLOCK + MAC_LENGTH


def seal_segment_into(
    keys: SealKeys,
    stream: Stream,
    number: int,
    plaintext: Buffer,
    out: memoryview,
    *,
    last: bool,
    compress: bool = True,
    random: Random = os.urandom,
) -> int:
    """Seal segment `number` (from 0) into `out`, which has room for `sealed_bound(len(plaintext))` bytes.

    Returns the sealed length; its last 32 bytes are the MAC. Only the last segment of a stream may contain less than
    `keys.segment_size` bytes. Never seal two different plaintexts for one number of one object.

    Larger than usual, because it is told all that a segment says, and nothing else.
    """
    size = len(plaintext)
    if size > keys.segment_size or (size < keys.segment_size and not last):
        raise ValueError(f"segment {number} of {size} bytes, last={last}")
    codec, encoded = encode(plaintext) if compress else (Codec.RAW, plaintext)
    source = memoryview(encoded)
    whole = len(source) // BLOCK * BLOCK
    out[:IV_LENGTH] = iv = random(IV_LENGTH)
    encryptor = Cipher(AES(keys.cipher_key), CBC(iv)).encryptor()
    out[IV_LENGTH:START] = encryptor.update(HEAD.pack(stream, last, codec, 0, number, size, len(source)))
    encryptor.update_into(source[:whole], out[START:])
    padding = BLOCK - (len(source) - whole)
    end = START + whole + BLOCK
    out[end - BLOCK : end] = encryptor.update(bytes(source[whole:]) + bytes([padding]) * padding)
    out[end : end + MAC_LENGTH] = keyed(keys.mac_key, keys.header_digest, out[:end])
    return end + MAC_LENGTH


def sealed_length(keys: SealKeys, start: Buffer) -> tuple[int, bool]:
    """The sealed length from the first 32 bytes of a segment, and whether it is the last.

    Not authenticated: only for walking. Raises DamagedError.
    """
    if len(start) < START:
        raise keys.damaged("cut within a segment")
    head = decrypt_blocks(keys.cipher_key, bytes(start[:IV_LENGTH]), start[IV_LENGTH:START])
    _, last, _, _, _, _, encoded = HEAD.unpack(head)
    if encoded > keys.segment_size:
        raise keys.damaged("segment lengths out of bounds")
    return START + _padded(encoded) + MAC_LENGTH, bool(last)


def open_segment(keys: SealKeys, stream: Stream, number: int, sealed: Buffer, *, last: bool) -> bytes | memoryview:
    """The plaintext of one segment.

    Raises DamagedError, naming object and segment, unless `sealed` is exactly that segment, intact.
    """
    try:
        return _open(keys, (stream, number, last), memoryview(sealed))
    except DamagedError as error:
        raise keys.damaged(f"{stream.name.lower()} segment {number}: {error.message}") from error


def _open(keys: SealKeys, expected: tuple[Stream, int, bool], view: memoryview) -> bytes | memoryview:
    end = len(view) - MAC_LENGTH
    if not OVERHEAD <= len(view) <= keys.segment_size + OVERHEAD or (end - START) % BLOCK:
        raise DamagedError("wrong length")
    if not hmac.compare_digest(keyed(keys.mac_key, keys.header_digest, view[:end]), view[end:]):
        raise DamagedError("modified, or from another object")
    opened = decrypt(keys.cipher_key, bytes(view[:IV_LENGTH]), view[IV_LENGTH:end])
    stream, last, codec, zero, number, size, length = HEAD.unpack_from(opened)
    if (stream, number, last, zero) != (*expected, 0):
        raise DamagedError("another segment is in its place")
    if size > keys.segment_size or (size < keys.segment_size and not last):
        raise DamagedError("too long or too short")
    if len(opened) != HEAD.size + length:
        raise DamagedError("wrong length")
    plaintext = decode(codec, opened[HEAD.size :], size)
    if len(plaintext) != size:
        raise DamagedError("plaintext has the wrong length")
    return plaintext


def _padded(encoded: int) -> int:
    return (encoded // BLOCK + 1) * BLOCK
