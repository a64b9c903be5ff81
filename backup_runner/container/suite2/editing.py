"""Creates envelopes: for a new lineage, other recipients, a new epoch. Pure; nothing is stored here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..keys import Random
from .envelope import (
    MAX_EPOCH,
    MAX_OWNERS,
    MAX_RECIPIENTS,
    SALT_LENGTH,
    ZERO,
    Envelope,
    lineage_of,
    parse_envelope,
    unsigned,
)
from .epochs import public_of, seal_epoch, wrap_older
from .pairs import SECRET_LENGTH
from .signing import SigningKey


@dataclass(frozen=True, slots=True)
class Members:
    """Who can decrypt (public keys, 1 to 16) and who may change that (signing keys, 1 to 8)."""

    recipients: Sequence[bytes] = field(repr=False)
    owners: Sequence[bytes]

    def __post_init__(self) -> None:
        if not 1 <= len(set(self.recipients)) == len(self.recipients) <= MAX_RECIPIENTS:
            raise ValueError(f"an envelope has 1 to {MAX_RECIPIENTS} recipients, no two alike")
        if not 1 <= len(set(self.owners)) == len(self.owners) <= MAX_OWNERS:
            raise ValueError(f"an envelope has 1 to {MAX_OWNERS} owners, no two alike")


@dataclass(frozen=True, slots=True)
class Succession:
    """A lineage that continues from suite 1: its id and the digest of its last sealed record."""

    lineage: bytes
    last_record: bytes
    number: int = 1
    """Of its first envelope: the lowest whose name nothing has."""


def found(
    members: Members,
    signer: SigningKey,
    salt: bytes | None = None,
    *,
    after: Succession | None = None,
    random: Random = os.urandom,
) -> Envelope:
    """The first envelope of a lineage. Seeds of raw and text keys depend on the salt: choose it before the members."""
    salt = random(SALT_LENGTH) if salt is None else salt
    secret = random(SECRET_LENGTH)
    public, owners = public_of(secret), tuple(members.owners)
    lineage = after.lineage if after else lineage_of(salt, public, owners, signer.public)
    number, previous = (after.number, after.last_record) if after else (1, ZERO)
    heading = (number, 1, salt, previous, public)
    return _sign(lineage, heading, members, secret, (), signer)


def amend(
    newest: Envelope, secrets: Sequence[bytes], members: Members, signer: SigningKey, *, number: int | None = None
) -> Envelope:
    """The next envelope, in the same epoch, with more recipients or other owners.

    Removed recipients can still decrypt what is written in this epoch; `rotate` ends that. `secrets`: of epoch 1 to the
    newest's, as `Identity.epoch_secrets` gives them.
    """
    heading = (_next(newest, number), newest.epoch, newest.salt, newest.digest, newest.public)
    return _sign(newest.lineage, heading, members, secrets[-1], secrets[:-1], signer)


def rotate(
    newest: Envelope,
    secrets: Sequence[bytes],
    members: Members,
    signer: SigningKey,
    *,
    number: int | None = None,
    random: Random = os.urandom,
) -> Envelope:
    """The next envelope, in a new epoch: removed recipients cannot decrypt what is written in it."""
    if newest.epoch >= MAX_EPOCH:
        raise ValueError(f"a lineage has at most {MAX_EPOCH} epochs")
    secret = random(SECRET_LENGTH)
    heading = (_next(newest, number), newest.epoch + 1, newest.salt, newest.digest, public_of(secret))
    return _sign(newest.lineage, heading, members, secret, secrets, signer)


def _next(newest: Envelope, number: int | None) -> int:
    number = newest.number + 1 if number is None else number
    if number <= newest.number:
        raise ValueError(f"envelope {number} does not come after {newest.number}")
    return number


def _sign(
    lineage: bytes,
    heading: tuple[int, int, bytes, bytes, bytes],
    members: Members,
    secret: bytes,
    older: Sequence[bytes],
    signer: SigningKey,
) -> Envelope:
    stanzas = seal_epoch(secret, lineage, heading[1], members.recipients)
    body = unsigned(heading, tuple(members.owners), stanzas, wrap_older(secret, older), signer.public)
    # Parsed again, so that nothing is written that a reader would reject.
    return parse_envelope(body + signer.sign(b"envelope", lineage + body), lineage)
