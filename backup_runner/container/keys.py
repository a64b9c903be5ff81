"""The crypto key, its stretching, and wrapping of an object's data key with it (docs/format.md).

Key objects never show their bytes in `repr`, and pickle, so that worker processes get them without
running scrypt again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ..errors import DamagedError, KeyFileError, WrongKeyError

KEY_LENGTHS = (16, 24, 32)
DATA_KEY_LENGTH = 32
SALT_LENGTH = 32
KEY_ID_LENGTH = 8
WRAPPED_LENGTH = DATA_KEY_LENGTH + 8

MAX_LOG2_N = 20
BLOCK_SIZE_R = 8
MAX_P = 4

LABEL = b"backup-runner/1/"

Random = Callable[[int], bytes]


def hkdf(key: bytes, label: bytes, length: int) -> bytes:
    """`length` bytes from `key` for one use, named by `label` (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=LABEL + label).derive(key)


@dataclass(frozen=True, slots=True)
class CryptoKey:
    """The secret that decrypts everything: 16, 24 or 32 bytes."""

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.raw) not in KEY_LENGTHS:
            raise KeyFileError(
                f"a crypto key has 16, 24 or 32 bytes, this one has {len(self.raw)} "
                "(one newline at the end of a key file does not count)",
                hint="make one with `backup-runner key new`; if the key itself ends in a newline byte, "
                "end its file with one newline more",
            )

    @classmethod
    def from_bytes(cls, raw: bytes) -> CryptoKey:
        """A key from the bytes of its file: one newline at the end is not part of it. Raises KeyFileError."""
        if raw.endswith(b"\r\n"):
            return cls(raw[:-2])
        return cls(raw.removesuffix(b"\n"))

    @classmethod
    def generate(cls, length: int = 32, *, random: Random = os.urandom) -> CryptoKey:
        """A new random key that is read the same with or without a newline after it."""
        while True:
            raw = random(length)
            if not raw.endswith((b"\n", b"\r")):
                return cls(raw)

    @property
    def key_id(self) -> str:
        """16 hex digits that distinguish keys on this machine without scrypt.

        For the catalog only. Objects have the stretched id in their stanza instead, because with this one,
        anybody could try guessable keys at full speed.
        """
        return hkdf(self.raw, b"local-key-id", KEY_ID_LENGTH).hex()


class Cost(NamedTuple):
    """scrypt's cost (RFC 7914): N = 2**log2_n, block size r, parallelism p; 128 * N * r bytes of memory."""

    log2_n: int = 16
    r: int = BLOCK_SIZE_R
    p: int = 1

    def check(self) -> None:
        """Raises DamagedError outside the limits for readers (1 GiB of memory)."""
        if not (1 <= self.log2_n <= MAX_LOG2_N and self.r == BLOCK_SIZE_R and 1 <= self.p <= MAX_P):
            raise DamagedError(f"refused scrypt cost: N=2^{self.log2_n} r={self.r} p={self.p}")


DEFAULT_COST = Cost()


def scrypt(secret: bytes, salt: bytes, cost: Cost) -> bytes:
    """scrypt (RFC 7914), 32 bytes. Raises DamagedError for a cost out of bounds."""
    cost.check()
    n = 1 << cost.log2_n
    memory = 128 * cost.r * (n + cost.p + 2) + (1 << 20)
    return hashlib.scrypt(secret, salt=salt, n=n, r=cost.r, p=cost.p, maxmem=memory, dklen=32)


@dataclass(slots=True)
class KdfBudget:
    """Limits the scrypt work for all objects that one command reads; known results cost nothing.

    `units` of the usual cost, 0.2 s each. No single run may exceed `log2_n`, which limits its memory.
    """

    units: int = 16
    log2_n: int = DEFAULT_COST.log2_n
    refused: int = 0
    """Runs that were asked for and not made."""

    def spend(self, cost: Cost) -> None:
        """Call before a run. Raises DamagedError if it exceeds the budget."""
        cost.check()
        work = -(-(cost.p << cost.log2_n) >> DEFAULT_COST.log2_n)
        if cost.log2_n > self.log2_n or work > self.units:
            self.refused += 1
            raise DamagedError(f"refused scrypt cost: N=2^{cost.log2_n} p={cost.p} exceeds the limit of this command")
        self.units -= work


class Stanza(NamedTuple):
    """A data key wrapped for the holder of one crypto key."""

    key_id: bytes
    cost: Cost
    salt: bytes
    wrapped: bytes


@dataclass(slots=True)
class Keyring:
    """A crypto key with the results of scrypt, by salt and cost; scrypt runs once for each.

    Wrap or unwrap once before handing it to threads or processes: they then find the result here.
    """

    crypto_key: CryptoKey
    random: Random = field(default=os.urandom, repr=False)
    budget: KdfBudget | None = field(default=None, repr=False)
    _stretched: dict[tuple[bytes, Cost], bytes] = field(default_factory=dict, repr=False)

    def new_salt(self) -> bytes:
        """A salt for a new catalog, which keeps it and uses it for all its objects."""
        return self.random(SALT_LENGTH)

    def stretch(self, salt: bytes, cost: Cost = DEFAULT_COST) -> bytes:
        """scrypt of the crypto key, 32 bytes. Raises DamagedError for a cost out of bounds."""
        stretched = self._stretched.get((salt, cost))
        if stretched is None:
            if self.budget:
                self.budget.spend(cost)
            stretched = scrypt(self.crypto_key.raw, salt, cost)
            self._stretched[salt, cost] = stretched
        return stretched

    def knows(self, salt: bytes, cost: Cost) -> bool:
        """Whether `stretch` would cost nothing."""
        return (salt, cost) in self._stretched

    def wrap(self, data_key: bytes, salt: bytes, cost: Cost = DEFAULT_COST) -> Stanza:
        """Wrap with AES Key Wrap (RFC 3394) under a key made by scrypt."""
        stretched = self.stretch(salt, cost)
        wrapped = aes_key_wrap(hkdf(stretched, b"wrap", 32), data_key)
        return Stanza(hkdf(stretched, b"key-id", KEY_ID_LENGTH), cost, salt, wrapped)

    def unwrap(self, stanza: Stanza) -> bytes:
        """The data key. Raises WrongKeyError for another key's stanza, DamagedError for a damaged one."""
        stretched = self.stretch(stanza.salt, stanza.cost)
        if not hmac.compare_digest(hkdf(stretched, b"key-id", KEY_ID_LENGTH), stanza.key_id):
            raise WrongKeyError("encrypted with another crypto key")
        try:
            return aes_key_unwrap(hkdf(stretched, b"wrap", 32), stanza.wrapped)
        except InvalidUnwrap as error:
            raise DamagedError("the wrapped data key is damaged") from error
