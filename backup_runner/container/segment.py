"""Seals and opens single segments: compress, encrypt, authenticate (docs/format.md, Segments)."""

from __future__ import annotations

import hmac
import os
import struct
import threading
from collections.abc import Sequence
from enum import IntEnum

import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from ..errors import DamagedError
from .header import SealKeys
from .keys import Random

Buffer = bytes | bytearray | memoryview

BLOCK = 16
IV_LENGTH = 16
MAC_LENGTH = 32
SEGMENT_HEADER = struct.Struct(">BBBBIII16s")
OVERHEAD = SEGMENT_HEADER.size + BLOCK + MAC_LENGTH
"""A sealed segment has at most this many bytes more than its plaintext."""

_ZSTD_LEVEL = 1
_WORTH = 0.97
# OpenSSL may write up to one block minus a byte beyond the requested length of `update_into`.
SLACK = BLOCK - 1


class Stream(IntEnum):
    """Which of an object's two streams a segment belongs to."""

    DATA = 1
    INDEX = 2


class Codec(IntEnum):
    """How a segment's plaintext is encoded before encryption."""

    RAW = 0
    ZSTD = 1


class _Coders(threading.local):
    """zstd contexts are expensive to create and can be used by one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()
        self._buffer = bytearray()

    def buffer(self, size: int) -> memoryview:
        """Reused memory for `size` bytes: new memory costs a process as much as AES."""
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        return memoryview(self._buffer)[:size]


_coders = _Coders()


def sealed_bound(plaintext_length: int) -> int:
    """Maximum bytes that `seal_segment_into` writes."""
    return plaintext_length + OVERHEAD + SLACK


def seal_segment(
    keys: SealKeys,
    stream: Stream,
    number: int,
    plaintext: Buffer,
    *,
    last: bool,
    random: Random = os.urandom,
) -> bytes:
    """The sealed segment as new bytes; see `seal_segment_into`."""
    out = _coders.buffer(sealed_bound(len(plaintext)))
    length = seal_segment_into(keys, stream, number, plaintext, out, last=last, random=random)
    return bytes(out[:length])


def seal_segment_into(
    keys: SealKeys,
    stream: Stream,
    number: int,
    plaintext: Buffer,
    out: memoryview,
    *,
    last: bool,
    random: Random = os.urandom,
) -> int:
    """Seal segment `number` (from 0) into `out`, which has room for `sealed_bound(len(plaintext))` bytes.

    Returns the sealed length. Only the last segment of a stream may contain less than `keys.segment_size` bytes.
    Never seal two different plaintexts for one number of one object: the reader would accept either.
    """
    size = len(plaintext)
    if size > keys.segment_size or (size < keys.segment_size and not last):
        raise ValueError(f"segment {number} of {size} bytes, last={last}")
    codec, encoded = encode(plaintext)
    whole = len(encoded) // BLOCK * BLOCK
    ciphertext_length = whole + BLOCK
    iv = random(IV_LENGTH)
    SEGMENT_HEADER.pack_into(out, 0, stream, last, codec, 0, number, size, ciphertext_length, iv)
    encryptor = Cipher(AES(keys.cipher_key), CBC(iv)).encryptor()
    body = out[SEGMENT_HEADER.size :]
    source = memoryview(encoded)
    encryptor.update_into(source[:whole], body)
    padding = BLOCK - (len(encoded) - whole)
    final = bytes(source[whole:]) + bytes([padding]) * padding
    body[whole:ciphertext_length] = encryptor.update(final)
    end = SEGMENT_HEADER.size + ciphertext_length
    out[end : end + MAC_LENGTH] = _mac(keys, out[:end])
    return end + MAC_LENGTH


def open_segment(keys: SealKeys, stream: Stream, number: int, sealed: Buffer, *, last: bool) -> bytes:
    """The plaintext of one segment.

    Raises DamagedError, naming object and segment, unless `sealed` is exactly that segment, intact.
    """
    view = memoryview(sealed)
    try:
        return _open(keys, (stream, number, last), view)
    except DamagedError as error:
        raise keys.damaged(f"{stream.name.lower()} segment {number}: {error.message}") from error


def sealed_length(keys: SealKeys, start: Buffer) -> tuple[int, bool]:
    """The sealed length from the first 32 bytes of a segment, and whether it is the last.

    Not authenticated: only for walking an object whose segment table is lost. Raises DamagedError.
    """
    if len(start) < SEGMENT_HEADER.size:
        raise keys.damaged("cut within a segment")
    _, last, _, _, _, size, ciphertext_length, _ = SEGMENT_HEADER.unpack_from(start)
    if not _plausible(keys, size, ciphertext_length):
        raise keys.damaged("segment lengths out of bounds")
    return SEGMENT_HEADER.size + ciphertext_length + MAC_LENGTH, bool(last)


def segments_of(offset: int, length: int, segment_size: int) -> tuple[int, int]:
    """First and last number of the data segments with `length` > 0 bytes at `offset` of the stream."""
    return offset // segment_size, (offset + length - 1) // segment_size


def segment_span(lengths: Sequence[int], header_length: int, first: int, last: int) -> tuple[int, int]:
    """Offset in the object, and length, of the sealed segments `first` to `last` (inclusive)."""
    return header_length + sum(lengths[:first]), sum(lengths[first : last + 1])


def encode(plaintext: Buffer) -> tuple[Codec, Buffer]:
    """Compress if it helps."""
    # No probe first: at level 1, zstd skips incompressible bytes many times faster than AES.
    compressed = _coders.compressor.compress(plaintext)
    if len(compressed) <= len(plaintext) * _WORTH:
        return Codec.ZSTD, compressed
    return Codec.RAW, plaintext


def _mac(keys: SealKeys, covered: memoryview) -> bytes:
    mac = hmac.new(keys.mac_key, keys.header_digest, "sha256")
    mac.update(covered)
    return mac.digest()


def _plausible(keys: SealKeys, size: int, ciphertext_length: int) -> bool:
    limit = keys.segment_size + BLOCK
    return size <= keys.segment_size and BLOCK <= ciphertext_length <= limit and ciphertext_length % BLOCK == 0


def _open(keys: SealKeys, expected: tuple[Stream, int, bool], view: memoryview) -> bytes:
    if len(view) < OVERHEAD:
        raise DamagedError("it is truncated")
    stream, last, codec, zero, number, size, ciphertext_length, iv = SEGMENT_HEADER.unpack_from(view)
    end = SEGMENT_HEADER.size + ciphertext_length
    if not _plausible(keys, size, ciphertext_length) or end + MAC_LENGTH != len(view):
        raise DamagedError("wrong length")
    if not hmac.compare_digest(_mac(keys, view[:end]), view[end:]):
        raise DamagedError("modified, or from another object")
    if (stream, number, last, zero) != (*expected, 0):
        raise DamagedError("another segment is in its place")
    if size < keys.segment_size and not last:
        raise DamagedError("too short")
    encoded = decrypt(keys.cipher_key, iv, view[SEGMENT_HEADER.size : end])
    plaintext = decode(codec, encoded, size)
    if len(plaintext) != size:
        raise DamagedError("plaintext has the wrong length")
    return bytes(plaintext)


def decrypt(key: bytes, iv: bytes, ciphertext: memoryview) -> memoryview:
    """Decrypt AES-CBC and remove the padding, of bytes whose MAC was verified. Raises DamagedError."""
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    padded = bytearray(len(ciphertext) + SLACK)
    length = decryptor.update_into(ciphertext, padded)
    # The MAC authenticated the ciphertext, so errors of padding tell an attacker nothing.
    padding = padded[length - 1]
    if not 1 <= padding <= BLOCK or padded[length - padding : length] != bytes([padding]) * padding:
        raise DamagedError("wrong padding")
    return memoryview(padded)[: length - padding]


def decode(codec: int, encoded: memoryview, size: int) -> bytes | memoryview:
    """The inverse of `encode`, never more than `size` bytes; what was not compressed is not copied. Raises
    DamagedError."""
    if codec == Codec.RAW:
        return encoded
    if codec != Codec.ZSTD:
        raise DamagedError(f"unknown codec {codec}")
    try:
        # The frame states its size, and the decompressor allocates that much, whatever limit it is given.
        if zstandard.frame_content_size(encoded) != size:
            raise DamagedError("compressed frame has the wrong length")
        return _coders.decompressor.decompress(encoded, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DamagedError("cannot be decompressed") from error
