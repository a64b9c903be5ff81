"""Single segments: sizes around the boundaries, and every way to put the wrong one in a place."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from backup_runner.container import (
    ObjectId,
    ObjectKind,
    SealKeys,
    Stream,
    new_header,
    open_segment,
    seal_segment,
    sealed_bound,
    segment_span,
    segments_of,
)
from backup_runner.container import segment as segment_module
from backup_runner.container.keys import Cost, CryptoKey, Keyring
from backup_runner.container.segment import seal_segment_into
from backup_runner.errors import DamagedError

SIZE = 4096
SALT = b"s" * 32
CHEAP = Cost(log2_n=4)


@pytest.fixture(params=[16, 24, 32])
def keys(request: pytest.FixtureRequest, object_id: ObjectId) -> SealKeys:
    ring = Keyring(CryptoKey(b"k" * request.param))
    return new_header(object_id, ring, SALT, segment_size=SIZE, cost=CHEAP)[1]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, SIZE - 17, SIZE - 16, SIZE - 15, SIZE - 1, SIZE])
@pytest.mark.parametrize("make", [os.urandom, bytes])
def test_round_trip_around_every_boundary(keys: SealKeys, size: int, make: type[bytes]) -> None:
    plain = make(size)
    sealed = seal_segment(keys, Stream.DATA, 7, plain, last=True)
    assert len(sealed) <= size + segment_module.OVERHEAD
    assert open_segment(keys, Stream.DATA, 7, sealed, last=True) == plain
    assert len(keys.cipher_key) in (16, 24, 32)


def test_sealing_into_a_larger_buffer_touches_nothing_before_it(keys: SealKeys) -> None:
    plain = os.urandom(SIZE)
    out = bytearray(b"x" * (100 + sealed_bound(SIZE)))
    length = seal_segment_into(keys, Stream.DATA, 0, memoryview(plain), memoryview(out)[100:], last=False)
    assert out[:100] == b"x" * 100
    sealed = memoryview(out)[100 : 100 + length]
    assert open_segment(pickle.loads(pickle.dumps(keys)), Stream.DATA, 0, sealed, last=False) == plain


def test_compression_only_where_it_helps(keys: SealKeys) -> None:
    assert len(seal_segment(keys, Stream.DATA, 0, bytes(SIZE), last=False)) < 200
    assert seal_segment(keys, Stream.DATA, 0, bytes(SIZE), last=False)[2] == 1
    raw = seal_segment(keys, Stream.DATA, 0, os.urandom(SIZE), last=False)
    assert (len(raw), raw[2]) == (32 + SIZE + 16 + 32, 0)


@given(plain=st.binary(max_size=SIZE), number=st.integers(0, 2**32 - 1), stream=st.sampled_from(Stream))
def test_round_trip_of_anything(plain: bytes, number: int, stream: Stream) -> None:
    sealed = seal_segment(_KEYS, stream, number, plain, last=True)
    assert open_segment(_KEYS, stream, number, sealed, last=True) == plain


_KEYS = SealKeys(
    ObjectId(bytes(16), ObjectKind.DATA, bytes(16)),
    SIZE,
    207,
    b"d" * 32,
    b"c" * 16,
    b"m" * 32,
    b"t" * 32,
)


def test_each_sealing_has_its_own_iv(keys: SealKeys) -> None:
    ivs = {seal_segment(keys, Stream.DATA, 0, b"same", last=True)[16:32] for _ in range(50)}
    assert len(ivs) == 50


def test_a_segment_opens_only_in_its_own_place(keys: SealKeys, object_id: ObjectId) -> None:
    sealed = seal_segment(keys, Stream.DATA, 3, bytes(SIZE), last=False)
    for stream, number, last in [(Stream.INDEX, 3, False), (Stream.DATA, 4, False), (Stream.DATA, 3, True)]:
        with pytest.raises(DamagedError, match="another segment is in its place"):
            open_segment(keys, stream, number, sealed, last=last)
    twin = new_header(object_id, Keyring(CryptoKey(b"k" * 32)), SALT, segment_size=SIZE, cost=CHEAP)[1]
    with pytest.raises(DamagedError, match=f"{object_id.name}: data segment 3: modified"):
        open_segment(twin, Stream.DATA, 3, sealed, last=False)


def test_every_byte_counts(keys: SealKeys) -> None:
    sealed = seal_segment(keys, Stream.DATA, 0, b"0123456789" * 10, last=True)
    for at in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[at] ^= 1
        with pytest.raises(DamagedError):
            open_segment(keys, Stream.DATA, 0, flipped, last=True)
        with pytest.raises(DamagedError):
            open_segment(keys, Stream.DATA, 0, sealed[:at], last=True)
    with pytest.raises(DamagedError):
        open_segment(keys, Stream.DATA, 0, sealed + b"x", last=True)


def test_only_the_last_may_be_short_and_none_too_long(keys: SealKeys) -> None:
    for plain, last in [(bytes(SIZE - 1), False), (bytes(SIZE + 1), True), (b"", False)]:
        with pytest.raises(ValueError, match="segment 0"):
            seal_segment(keys, Stream.DATA, 0, plain, last=last)


def test_a_faulty_writers_short_segment_is_refused_unless_last(keys: SealKeys) -> None:
    sealed = seal_segment(replace(keys, segment_size=100), Stream.DATA, 0, bytes(100), last=False)
    with pytest.raises(DamagedError, match="too short"):
        open_segment(keys, Stream.DATA, 0, sealed, last=False)


FRAME = zstandard.compress(bytes(range(100)))


@pytest.mark.parametrize(
    ("codec", "encoded", "size", "said"),
    [
        (2, bytes(50), 50, "unknown codec"),
        (0, bytes(50), 51, "wrong length"),
        (1, bytes(50), 50, "decompressed"),
        (1, FRAME, 99, "wrong length"),
        (1, FRAME + b"x", 100, "decompressed"),
        (1, FRAME[:-3], 100, "decompressed"),
        (1, zstandard.compress(bytes(1 << 26)), 100, "compressed frame has the wrong length"),
    ],
)
def test_what_a_faulty_writer_says_is_not_believed(
    keys: SealKeys, monkeypatch: pytest.MonkeyPatch, codec: int, encoded: bytes, size: int, said: str
) -> None:
    monkeypatch.setattr(segment_module, "encode", lambda _: (codec, encoded))
    out = memoryview(bytearray(2 * SIZE))
    length = seal_segment_into(keys, Stream.DATA, 0, bytes(size), out, last=True)
    with pytest.raises(DamagedError, match=said):
        open_segment(keys, Stream.DATA, 0, out[:length], last=True)


@pytest.mark.parametrize(
    ("reserved", "padded", "said"),
    [
        (0, b"fourteen bytes\2\2", ""),
        (1, b"fourteen bytes\2\2", "another segment is in its place"),
        (0, b"fourteen bytes\1\2", "wrong padding"),
        (0, b"fifteen bytes!!\0", "wrong padding"),
        (0, b"fifteen bytes!!\x11", "wrong padding"),
    ],
)
def test_a_faulty_writers_authentic_bytes(keys: SealKeys, reserved: int, padded: bytes, said: str) -> None:
    encryptor = Cipher(AES(keys.cipher_key), CBC(bytes(16))).encryptor()
    fields = segment_module.SEGMENT_HEADER.pack(Stream.DATA, 1, 0, reserved, 0, 14, 16, bytes(16))
    covered = fields + encryptor.update(padded)
    sealed = covered + segment_module._mac(keys, memoryview(covered))
    if not said:
        assert open_segment(keys, Stream.DATA, 0, sealed, last=True) == b"fourteen bytes"
        return
    with pytest.raises(DamagedError, match=said):
        open_segment(keys, Stream.DATA, 0, sealed, last=True)


def test_spans() -> None:
    assert segments_of(0, 1, SIZE) == (0, 0)
    assert segments_of(SIZE - 1, 2, SIZE) == (0, 1)
    assert segments_of(SIZE, SIZE, SIZE) == (1, 1)
    assert segment_span([10, 20, 30], 207, 1, 2) == (217, 50)
    assert segment_span([10, 20, 30], 207, 0, 0) == (207, 10)
