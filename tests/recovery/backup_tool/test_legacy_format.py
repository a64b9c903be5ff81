"""The legacy format against an encoder of its own, written from the format's description."""

from __future__ import annotations

import hashlib
import io
import os

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from backup_runner.container.keys import CryptoKey
from backup_runner.contents import legacy_format as legacy
from backup_runner.errors import DamagedError

KEY = CryptoKey(b"0123456789abcdef")
SIZES = [0, 1, 15, 16, 17, 24575, 24576, 24577, 65535, 65536, 65537, 100001, 5 * 1024 * 1024 + 7]


def encode(key: bytes, plain: bytes, iv: bytes) -> bytes:
    """The description, word for word."""
    filled = plain + b" " * ((16 - len(plain) % 16) % 16)
    context = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return len(plain).to_bytes(8, "little") + iv + context.update(filled) + context.finalize()


def opened(sealed: bytes, key: CryptoKey = KEY) -> tuple[bytes, legacy.Sums]:
    out = io.BytesIO()
    sums = legacy.decrypt(key, io.BytesIO(sealed).read, out.write)
    return out.getvalue(), sums


@pytest.mark.parametrize("size", SIZES)
def test_every_size_opens_to_what_was_sealed(size: int) -> None:
    plain = os.urandom(size)
    sealed = encode(KEY.raw, plain, os.urandom(16))
    found, sums = opened(sealed)
    assert found == plain
    assert sums == (size, hashlib.md5(plain).digest(), hashlib.md5(sealed).digest())
    assert legacy.sealed_size(size) == len(sealed)


@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_here_is_what_the_description_says(size: int, length: int) -> None:
    key, plain, iv = CryptoKey(os.urandom(length - 1) + b"k"), os.urandom(size), os.urandom(16)
    out = io.BytesIO()
    sums = legacy.encrypt(key, size, io.BytesIO(plain).read, out.write, random=lambda _: iv)
    assert out.getvalue() == encode(key.raw, plain, iv)
    assert sums.sealed_md5 == hashlib.md5(out.getvalue()).digest()


@given(st.binary(max_size=200), st.integers(0, 300))
def test_a_cut_file_is_refused(plain: bytes, cut: int) -> None:
    sealed = encode(KEY.raw, plain, bytes(16))
    if cut < len(sealed):
        with pytest.raises(DamagedError):
            opened(sealed[:cut])


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=40))
def test_an_appended_file_is_refused(plain: bytes, more: bytes) -> None:
    with pytest.raises(DamagedError):
        opened(encode(KEY.raw, plain, bytes(16)) + more)


def test_another_key_shows_in_the_filling() -> None:
    sealed = encode(KEY.raw, b"x" * 20, bytes(16))
    with pytest.raises(DamagedError, match="wrong key"):
        opened(sealed, CryptoKey(b"fedcba9876543210"))


def test_reads_that_come_in_dribs_are_put_together() -> None:
    plain = os.urandom(100_001)
    source = io.BytesIO(encode(KEY.raw, plain, bytes(16)))
    out = io.BytesIO()
    legacy.decrypt(KEY, lambda size: source.read(min(size, 24 if source.tell() == 0 else 1000)), out.write)
    assert out.getvalue() == plain
