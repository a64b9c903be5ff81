"""Key pairs for encrypting objects and secrets of epochs: HPKE with MLKEM768-X25519 (docs/format.md, Secrets)."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from ...errors import DamagedError
from .primitives import LABEL, hkdf

PUBLIC_LENGTH = 1216
SEALED_LENGTH = 1168
SECRET_LENGTH = 32

_MLKEM_PUBLIC = 1184
_MLKEM_SEED = 64
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@lru_cache(maxsize=128)
def expand(secret: bytes) -> tuple[MLKEM768X25519PrivateKey, bytes]:
    """The private key from 32 secret bytes, and its public key."""
    stream = hashlib.shake_256(secret).digest(_MLKEM_SEED + 32)
    kem = MLKEM768PrivateKey.from_seed_bytes(stream[:_MLKEM_SEED])
    curve = X25519PrivateKey.from_private_bytes(stream[_MLKEM_SEED:])
    public = kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(kem, curve), public


def opening_secret(seed: bytes) -> bytes:
    """What `expand` makes a recipient's pair from."""
    return hkdf(seed, b"open")


def epoch_pair(epoch_secret: bytes) -> bytes:
    """What `expand` makes an epoch's pair from."""
    return hkdf(epoch_secret, b"lineage")


def seal_secret(secret: bytes, public: bytes, info: bytes) -> bytes:
    """32 bytes sealed to a public key. Raises DamagedError if that is not a public key."""
    try:
        return bytes(_SUITE.encrypt(secret, _public(public), LABEL + info))
    except ValueError as error:
        raise DamagedError("a recipient's public key is invalid") from error


def open_secret(sealed: bytes, pair: bytes, info: bytes) -> bytes | None:
    """The 32 bytes that were sealed to this pair for this purpose; None if they were not."""
    try:
        found = bytes(_SUITE.decrypt(sealed, expand(pair)[0], LABEL + info))
    except (InvalidTag, ValueError):
        return None
    return found if len(found) == SECRET_LENGTH else None


def check_public(public: bytes) -> None:
    """Raises DamagedError unless something can be sealed to this public key."""
    seal_secret(bytes(SECRET_LENGTH), public, b"check")


@lru_cache(maxsize=64)
def _public(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != PUBLIC_LENGTH:
        raise ValueError("wrong length")
    kem = MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC])
    return MLKEM768X25519PublicKey(kem, X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]))
