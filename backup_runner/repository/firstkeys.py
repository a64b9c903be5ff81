"""Which envelope a lineage's chain starts with.

Anybody who may write to the bucket can put valid envelopes there, even before a lineage of suite 1 continues in suite
2."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from ..container import MAX_HEADER, Identity, ObjectKind, kind_prefix, open_header, parse_name
from ..container.suite2.chain import Chain
from ..container.suite2.envelope import ZERO, Envelope
from ..container.suites import is_signed
from ..errors import AccessDenied, ContainerError, ObjectArchived, ObjectMissing
from ..targets.base import Target

_SALTS = 8
"""Envelopes with at most this many different salts are tried: if the salt is not known, each costs a run of scrypt."""

_RECORDS = 5
"""At most this many records, oldest first, are tried to find out whether this key opens suite 1 in their lineage."""


def first_of(
    candidates: Sequence[Envelope], identity: Identity, target: Target, *, salt: bytes | None = None
) -> Envelope | None:
    """The first envelope, by number; None if none is valid.

    If it founded the lineage, the lineage's id proves it. A lineage of suite 1 is continued by a holder of its
    key, which signs the envelope; a later recipient with another key accepts the first that it can decrypt. `salt` is
    that of the lineage, if known. Raises TargetError."""
    for one in candidates:
        if one.previous == ZERO:
            return one
    known = {one.digest for one in candidates}
    after = [
        one
        for one in candidates
        if one.succeeds_suite1 and one.previous not in known and (salt is None or one.salt == salt)
    ]
    salts = list(dict.fromkeys(one.salt for one in after))[:_SALTS]
    after = [one for one in after if one.salt in salts]
    if own := next((one for one in after if _signed(one, identity)), None):
        return own
    opened = next((one for one in after if any(_opens(identity, each) for each in _chain(one, candidates))), None)
    return None if opened is None or _began(target, opened.lineage, identity) else opened


def _began(target: Target, lineage: bytes, identity: Identity) -> bool:
    """Whether this is the key of suite 1: all machines that have it are one owner."""
    if identity.keyring is None:
        return False
    for item in islice(target.list(kind_prefix(lineage, ObjectKind.RECORDS)), _RECORDS):
        if object_id := parse_name(item.name):
            try:
                return not is_signed(open_header(target.get(item.name, 0, MAX_HEADER), object_id, identity).keys)
            except (ContainerError, ObjectMissing, ObjectArchived, AccessDenied):
                continue
    return False


def _chain(first: Envelope, candidates: Sequence[Envelope]) -> tuple[Envelope, ...]:
    return Chain.start(first, suite1_end=first.previous).continued(candidates)[0].envelopes


def _signed(envelope: Envelope, identity: Identity) -> bool:
    try:
        return identity.signing_key(envelope.salt).public == envelope.signer
    except ContainerError:
        return False


def _opens(identity: Identity, envelope: Envelope) -> bool:
    try:
        identity.epoch_secrets(envelope)
    except ContainerError:
        return False
    return True
