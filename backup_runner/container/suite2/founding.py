"""What an identity seals with: a lineage that it founds, or one where it is an owner or was enrolled."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..identity import Identity
from ..keys import Random
from .editing import Members, Succession, found
from .envelope import SALT_LENGTH, Envelope
from .lineage import Lineage, Rights, Writer, enrol
from .signing import SigningKey


def found_lineage(
    identity: Identity,
    others: Sequence[bytes] = (),
    *,
    salt: bytes | None = None,
    after: Succession | None = None,
    random: Random = os.urandom,
) -> Lineage:
    """A new lineage with this identity as its only owner and first recipient, and further recipients (public keys).

    `salt`: that of suite 1's records, for a lineage `after` it. The holder of a raw key needs nothing else: every
    machine with the key is the same owner.
    """
    salt = random(SALT_LENGTH) if salt is None else salt
    key = identity.signing_key(salt)
    members = Members([identity.public(salt), *others], [key.public])
    return Lineage(found(members, key, salt, after=after, random=random), Writer(key))


def owned_lineage(identity: Identity, envelope: Envelope) -> Lineage | None:
    """What this identity seals with as an owner; None if it is not one, and needs a key that an owner enrolled."""
    key = identity.signing_key(envelope.salt)
    return Lineage(envelope, Writer(key)) if key.public in envelope.owners else None


def enrolled_by(owner: SigningKey, envelope: Envelope, key: SigningKey, rights: Rights) -> bytes:
    """An owner's signature by which another key may write in that lineage."""
    return enrol(owner, envelope.lineage, key.public, rights)
