"""The envelope: who can decrypt, as keys (docs/format.md, Envelope)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache

from ...errors import DamagedError, NoiseError
from .pairs import PUBLIC_LENGTH, SEALED_LENGTH
from .primitives import DIGEST, LABEL, sha256
from .signing import KEY_LENGTH, SIGNATURE_LENGTH, check_point, is_signed

MAX_EPOCH = 64
MAX_OWNERS = 8
MAX_RECIPIENTS = 16
SALT_LENGTH = 32
ZERO = bytes(DIGEST)

_FIXED = struct.Struct(f">QI{SALT_LENGTH}s{DIGEST}s{PUBLIC_LENGTH}s")


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope that is valid by itself; whether it belongs to the lineage is decided by the chain."""

    lineage: bytes
    number: int
    epoch: int
    salt: bytes
    previous: bytes
    public: bytes = field(repr=False)
    owners: tuple[bytes, ...]
    stanzas: tuple[bytes, ...] = field(repr=False)
    older: bytes = field(repr=False)
    signer: bytes
    raw: bytes = field(repr=False)
    digest: bytes

    @property
    def stanza_info(self) -> bytes:
        """What each stanza is sealed for."""
        return stanza_info(self.lineage, self.epoch)

    @property
    def succeeds_suite1(self) -> bool:
        """Whether it can be the first envelope of a lineage that began under suite 1: `previous` is then the digest of
        suite 1's last record. Its number may be any: junk may have had the names before."""
        return self.previous != ZERO and self.epoch == 1 and self.signer in self.owners


def stanza_info(lineage: bytes, epoch: int) -> bytes:
    """HPKE's info for an epoch's secret."""
    return b"stanza" + lineage + epoch.to_bytes(4, "big")


def older_length(epoch: int) -> int:
    """Bytes that wrap the secrets of all epochs before."""
    return 0 if epoch == 1 else DIGEST * (epoch - 1) + 8


def unsigned(
    heading: tuple[int, int, bytes, bytes, bytes],
    owners: tuple[bytes, ...],
    stanzas: tuple[bytes, ...],
    older: bytes,
    signer: bytes,
) -> bytes:
    """An envelope without its signature; `heading` is number, epoch, salt, previous and public key."""
    parts = (_FIXED.pack(*heading), bytes([len(owners)]), *owners, bytes([len(stanzas)]), *stanzas, older, signer)
    return b"".join(parts)


def lineage_of(salt: bytes, public: bytes, owners: tuple[bytes, ...], signer: bytes) -> bytes:
    """The id of the lineage that starts with an envelope."""
    return sha256(LABEL, b"lineage", salt, public, *owners, signer)[:16]


@lru_cache(maxsize=256)
def parse_envelope(raw: bytes, lineage: bytes) -> Envelope:
    """The envelope of a lineage from its bytes. Raises NoiseError if it cannot be one."""
    envelope = _parse(raw, lineage)
    for point in (*envelope.owners, envelope.signer):
        try:
            check_point(point)
        except DamagedError as error:
            raise NoiseError(f"envelope: {error.message}") from error
    if not is_signed(envelope.signer, raw[-SIGNATURE_LENGTH:], b"envelope", lineage + raw[:-SIGNATURE_LENGTH]):
        raise NoiseError("the envelope's signature is invalid, or it belongs to another lineage")
    if envelope.number == 1:
        _check_first(envelope)
    elif envelope.previous == ZERO:
        raise NoiseError("a later envelope must name its predecessor")
    return envelope


def _parse(raw: bytes, lineage: bytes) -> Envelope:
    if len(raw) <= _FIXED.size:
        raise NoiseError("envelope is truncated")
    number, epoch, salt, previous, public = _FIXED.unpack_from(raw)
    if number < 1 or not 1 <= epoch <= MAX_EPOCH:
        raise NoiseError("number or epoch of an envelope out of bounds")
    owners, at = _list(raw, _FIXED.size, KEY_LENGTH, MAX_OWNERS, "owners")
    if len(set(owners)) < len(owners):
        raise NoiseError("an envelope lists an owner twice")
    stanzas, at = _list(raw, at, SEALED_LENGTH, MAX_RECIPIENTS, "stanzas")
    end = at + older_length(epoch)
    if len(raw) != end + KEY_LENGTH + SIGNATURE_LENGTH:
        raise NoiseError("envelope has the wrong length")
    return Envelope(
        lineage=lineage,
        number=number,
        epoch=epoch,
        salt=salt,
        previous=previous,
        public=public,
        owners=owners,
        stanzas=stanzas,
        older=raw[at:end],
        signer=raw[end : end + KEY_LENGTH],
        raw=raw,
        digest=sha256(raw),
    )


def _list(raw: bytes, at: int, length: int, most: int, what: str) -> tuple[tuple[bytes, ...], int]:
    count = raw[at] if at < len(raw) else 0
    end = at + 1 + count * length
    if not 1 <= count <= most or end > len(raw):
        raise NoiseError(f"number of {what} of an envelope out of bounds")
    return tuple(raw[start : start + length] for start in range(at + 1, end, length)), end


def _check_first(envelope: Envelope) -> None:
    if envelope.epoch != 1 or envelope.signer not in envelope.owners:
        raise NoiseError("a first envelope must have epoch 1 and be signed by one of its owners")
    stated = lineage_of(envelope.salt, envelope.public, envelope.owners, envelope.signer)
    if not envelope.succeeds_suite1 and stated != envelope.lineage:
        raise NoiseError("the envelope starts another lineage")
