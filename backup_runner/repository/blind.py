"""Hosts that can encrypt but not decrypt: a lineage that only others can open.

The host generates the lineage's key and a key that signs its first envelope, uses both once and keeps neither. It keeps
only its own signing key (`hostkey`), which the first envelope allows to add objects. The recipients write all later
envelopes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from ..container import Identity
from ..container.suite2.chain import Chain
from ..container.suite2.editing import Members, found
from ..container.suite2.founding import enrolled_by
from ..container.suite2.lineage import Lineage, Rights, Writer
from ..container.suite2.roster import EnrolledWriter, Recipient, Roster
from ..container.suite2.signing import SigningKey
from ..errors import KeyFileError
from ..targets.base import Target
from .lineage import KeyChain, machine_name, put_keys

_SEED = 32


def found_blind(target: Target, host: Identity, salt: bytes, recipients: Sequence[Recipient]) -> KeyChain:
    """Create a lineage for these recipients and put its first envelope into the bucket. Raises KeyFileError,
    TargetError."""
    owners = [one.owner for one in recipients if one.owner]
    if not owners:
        raise KeyFileError("no recipient can be an owner", hint="list at least one public key in `recipients`")
    founder = SigningKey.from_seed(os.urandom(_SEED))
    key = host.signing_key(salt)
    # A reader accepts up to eight owners, the founder among them.
    envelope = found(Members([one.public for one in recipients], [founder.public, *owners[:7]]), founder, salt)
    proof = enrolled_by(founder, envelope, key, Rights.HOST)
    me = EnrolledWriter(machine_name(), key.public, Rights.HOST, proof, 0)
    kept = [one if number < 7 else one._replace(owner=None) for number, one in enumerate(recipients)]
    chain = KeyChain(Chain((envelope,)), Roster(kept, [me]))
    put_keys(target, Lineage(envelope, Writer(founder)), Roster(kept, [me]))
    return replace(chain, stored=True)
