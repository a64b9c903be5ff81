"""The primitives of suite 2, each with this suite's label."""

from __future__ import annotations

import hashlib

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LABEL = b"backup-runner/2/"
DIGEST = 32

Buffer = bytes | bytearray | memoryview


def hkdf(key: bytes, label: bytes, salt: bytes | None = None) -> bytes:
    """32 bytes from `key` for the use that `label` names (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=LABEL + label).derive(key)


def sha256(*parts: Buffer) -> bytes:
    """SHA-256 of the parts, one after the other."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


def keyed(key: bytes, *parts: Buffer) -> bytes:
    """Keyed BLAKE3 of the parts, one after the other: 32 bytes."""
    state = blake3(key=key)
    for part in parts:
        state.update(part)
    return bytes(state.digest())


def keystream(key: bytes, seed: bytes, length: int) -> bytes:
    """`length` bytes of keyed BLAKE3's extended output."""
    return bytes(blake3(seed, key=key).digest(length=length))


def encrypt_blocks(key: bytes, iv: bytes, blocks: bytes) -> bytes:
    """AES-CBC of whole blocks, without padding."""
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def decrypt_blocks(key: bytes, iv: bytes, blocks: Buffer) -> bytes:
    """The inverse of `encrypt_blocks`."""
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    return decryptor.update(blocks) + decryptor.finalize()
