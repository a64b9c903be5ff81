"""Ed25519 (RFC 8032), rejecting public keys for which a signature proves nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ...errors import DamagedError
from .primitives import LABEL, hkdf

KEY_LENGTH = 32
SIGNATURE_LENGTH = 64

_PRIME = 2**255 - 19
_ORDER_EIGHT = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# y of the eight points of small order. OpenSSL accepts them, and one signature is then valid for every message.
_SMALL = {0, 1, _PRIME - 1, _ORDER_EIGHT, _PRIME - _ORDER_EIGHT}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private signing key; `public` is what others know it by."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def from_private(cls, private: bytes) -> SigningKey:
        """From the 32 private bytes."""
        return cls(private, Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The signing key of a recipient."""
        return cls.from_private(hkdf(seed, b"sign"))

    def sign(self, purpose: bytes, message: bytes) -> bytes:
        """A signature that is valid for this purpose only."""
        return Ed25519PrivateKey.from_private_bytes(self.private).sign(LABEL + purpose + message)


def check_point(public: bytes) -> None:
    """Raises DamagedError for a public key that cannot prove anything."""
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if len(public) != KEY_LENGTH or y >= _PRIME:
        raise DamagedError("a signing key is not canonical")
    if y in _SMALL:
        raise DamagedError("a signing key is of small order")


def is_signed(public: bytes, signature: bytes, purpose: bytes, message: bytes) -> bool:
    """Whether the owner of `public` signed this message for this purpose."""
    try:
        check_point(public)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, LABEL + purpose + message)
    except (InvalidSignature, DamagedError, ValueError):
        return False
    return True
