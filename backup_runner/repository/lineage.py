"""The envelopes of one lineage: read from its `keys` objects, stored in the catalog, and given to identities.

Anybody who may create objects can use these names. Numbers only order: what counts is that an envelope names
its predecessor and that an owner of that one signed it. Everything else is junk, which is ignored and counted.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

from ..catalog import Catalog
from ..catalog.database import Store
from ..catalog.envelopes import KeptEnvelope, envelopes, keep_envelopes
from ..container import MAX_HEADER, Identity, ObjectId, ObjectKind, kind_prefix, parse_name
from ..container.suite2.chain import Chain
from ..container.suite2.editing import Succession
from ..container.suite2.envelope import Envelope, parse_envelope
from ..container.suite2.founding import found_lineage, owned_lineage
from ..container.suite2.keysobject import open_keys, stated_envelope
from ..container.suite2.lineage import Lineage, Rights, Writer, enrol
from ..container.suite2.recipients import Public
from ..container.suite2.roster import (
    MAX_OBJECT,
    EnrolledWriter,
    Mark,
    Recipient,
    Roster,
    decode_roster,
    encode_roster,
    seal_keys,
)
from ..container.suite2.signing import SigningKey
from ..contents.again import twice
from ..errors import (
    AccessDenied,
    CatalogError,
    ContainerError,
    NoiseError,
    NotEntitledError,
    ObjectArchived,
    ObjectExists,
    ObjectMissing,
    WrongKeyError,
)
from ..records import StoredObject
from ..targets.base import Target, Tier
from .firstkeys import first_of
from .sealing import Sealing
from .seen import SeenKeys

_TRIES = 500
"""Maximum number of unknown objects to read, lowest number first."""
_AGAIN = 20
"""Attempts to find a free name for the first envelope."""
_NONE = hashlib.sha256(b"").digest()
"""In place of the last record of suite 1 if its bytes are not known."""


class Keys(NamedTuple):
    """What a storing engine needs of a lineage: the identity, and what encrypts."""

    identity: Identity
    sealing: Sealing


@dataclass(frozen=True, slots=True)
class KeyChain:
    """The envelopes of a lineage, and the roster of the newest, if it could be decrypted."""

    chain: Chain
    roster: Roster | None = None
    notes: tuple[str, ...] = ()
    stored: bool = True
    """Whether the newest is in the bucket, according to the listing."""

    @property
    def newest(self) -> Envelope:
        return self.chain.newest

    @property
    def suite1_end(self) -> int | None:
        """Serial of the last record of suite 1; None if unknown."""
        if not self.chain.envelopes[0].succeeds_suite1:
            return 0
        return self.roster.suite1.serial if self.roster and self.roster.suite1 else None

    @property
    def host(self) -> str:
        """The host that writes the records of this lineage and may only add to it; "" if there is none."""
        writers = self.roster.writers if self.roster else ()
        return next((one.name for one in writers if one.rights is Rights.HOST and one.void is None), "")

    def accept(self, identity: Identity) -> None:
        """Make the identity reject objects of this lineage that do not count."""
        writers = self.roster.writers if self.roster else ()
        void = {writer.key: writer.void.serial for writer in writers if writer.void}
        identity.accept(self.newest.lineage, self.chain.digests, suite1_end=self.suite1_end, void=void)

    def sealing(self, identity: Identity, machine: SigningKey | None = None) -> Sealing:
        """What the identity encrypts with; `machine` signs, if it is enrolled. Raises NotEntitledError."""
        own = owned_lineage(identity, self.newest) or self._enrolled(identity)
        lineage = self._by_machine(machine, identity if own else None) or own
        if lineage is None:
            raise NotEntitledError(
                "this key may read, but not write: no owner enrolled it as a writer",
                hint="an owner adds it with `key add JOB --owner`, or only this machine with `key add --writer` and "
                "what `key writer JOB` prints here; `key list JOB` shows who the owners are",
            )
        return Sealing(lineage)

    def _by_machine(self, machine: SigningKey | None, other: Identity | None) -> Lineage | None:
        """What an enrolled machine seals with, unless it is one person's machine and `other` may write without it.

        Raises NotEntitledError if it was removed: an owner's secret does not show that it is in good hands."""
        one = self.roster.writer(machine.public) if machine and self.roster else None
        if machine is None or one is None:
            return None
        if one.void is not None:
            raise NotEntitledError(
                f"this machine ({one.name}) was removed as a writer: what it wrote after record {one.void.serial} is "
                "ignored",
                hint="if it is in good hands again, an owner deletes the file of its signing key beside the catalog "
                "(.host-key), runs `catalog pull JOB` and applies again: it gets a new key",
            )
        if other is not None and one.of not in (None, other.signing_key(self.newest.salt).public):
            return None
        return Lineage(self.newest, Writer(machine, one.rights, one.enrolment))

    def _enrolled(self, identity: Identity) -> Lineage | None:
        """What a writer seals with whom an owner enrolled; None if this is none, or was removed."""
        one = self.roster.writer(identity.signing_key(self.newest.salt).public) if self.roster else None
        if one is None or one.void is not None:
            return None
        return Lineage(self.newest, Writer(identity.signing_key(self.newest.salt), one.rights, one.enrolment))


# -- in the catalog


def kept_chain(cat: Catalog, store: Store) -> KeyChain | None:
    """The chain from the catalog; None for a store of suite 1."""
    kept = envelopes(cat, store.id)
    if not kept:
        return None
    parsed = [parse_envelope(one.raw, bytes.fromhex(store.lineage)) for one in kept]
    return KeyChain(Chain(tuple(parsed)), decode_roster(kept[-1].roster) if kept[-1].roster else None)


def keep_chain(cat: Catalog, store_id: int, found: KeyChain) -> None:
    """Store it in the catalog. Callers hold the catalog's lock."""
    roster = encode_roster(found.roster) if found.roster else b""
    rows = [KeptEnvelope(one.number, one.raw, b"") for one in found.chain.envelopes]
    rows[-1] = rows[-1]._replace(roster=roster)
    if rows != envelopes(cat, store_id):
        keep_envelopes(cat, store_id, rows)


# -- in the bucket


def read_chain(
    target: Target,
    lineage: bytes,
    identity: Identity,
    *,
    kept: KeyChain | None = None,
    salt: bytes | None = None,
) -> KeyChain | None:
    """The chain in the bucket, starting from what is known; None if there is none. `salt` is the lineage's, if known.
    Raises TargetError."""
    listed = _listed(target, lineage)
    known = {envelope.number for envelope in kept.chain.envelopes} if kept else set()
    fresh = [number for number in sorted(listed) if number not in known]
    candidates, notes = _candidates(target, lineage, fresh, must_read=kept is None)
    if kept is not None:
        chain, noise = kept.chain.continued(candidates)
    elif first := first_of(candidates, identity, target, salt=salt):
        chain, noise = Chain.start(first, suite1_end=first.previous).continued(candidates)
    else:
        return None
    notes += [f"ignored {len(noise)} envelope(s) that do not belong to the chain of this lineage"] if noise else []
    stored = chain.newest.number in listed
    if kept is not None and chain.newest == kept.newest and kept.roster is not None:
        return replace(kept, notes=tuple(notes), stored=stored)
    # The newest may not have existed when this identity last got the chain.
    KeyChain(chain, kept.roster if kept else None).accept(identity)
    roster, why = _roster(target, chain, identity)
    if roster is None and kept is not None and identity.is_blind:
        # A host cannot read a newer list, and goes on by the one that it wrote.
        roster = kept.roster
    notes += [why] if why else []
    return KeyChain(chain, roster, tuple(notes), stored)


def _listed(target: Target, lineage: bytes) -> dict[int, StoredObject]:
    found = {}
    for item in target.list(kind_prefix(lineage, ObjectKind.KEYS)):
        object_id = parse_name(item.name)
        if object_id is not None and item.size <= MAX_OBJECT:
            found[object_id.serial] = item
    return found


def _candidates(
    target: Target, lineage: bytes, numbers: Sequence[int], *, must_read: bool
) -> tuple[list[Envelope], list[str]]:
    """The envelopes in these objects, and notes about the others."""
    found, junk, notes = [], 0, []
    for number in numbers[:_TRIES]:
        object_id = ObjectId.keys(lineage, number)
        try:
            found.append(_stated(target, object_id))
        except (ContainerError, ObjectMissing):
            junk += 1
        except (AccessDenied, ObjectArchived) as error:
            if must_read and isinstance(error, AccessDenied):
                raise
            notes.append(
                f"the bucket has recipients' keys that this host does not know and may not read ({object_id.name}); "
                f"it keeps encrypting to those it knows"
            )
            break
    if junk:
        notes.append(f"ignored {junk} object(s) with names of keys that contain no envelope")
    if len(numbers) > _TRIES:
        notes.append(f"{len(numbers) - _TRIES} more objects with names of keys were not read")
    return found, notes


def _stated(target: Target, object_id: ObjectId) -> Envelope:
    return twice(lambda: stated_envelope(target.get(object_id.name, 0, MAX_HEADER), object_id))


def _roster(target: Target, chain: Chain, identity: Identity) -> tuple[Roster | None, str]:
    """The roster of the newest envelope, or why it is not known."""
    object_id = ObjectId.keys(chain.newest.lineage, chain.newest.number)
    try:
        return twice(lambda: open_keys(target.get(object_id.name, 0, MAX_OBJECT + 1), object_id, identity))[1], ""
    except (WrongKeyError, AccessDenied, ObjectArchived):
        return None, ""
    except (ContainerError, ObjectMissing) as error:
        return None, f"cannot read who may write: {error.message}"


# -- beginnings


def founded(
    identity: Identity,
    salt: bytes,
    others: Sequence[Recipient] = (),
    *,
    machine: SigningKey | None = None,
    after: Succession | None = None,
    serial: int = 0,
) -> KeyChain:
    """A new lineage with this identity as its only owner, further recipients, and the machine as a writer; nothing is
    stored yet."""
    others = [one for one in others if one.public != identity.public(salt)]
    lineage = found_lineage(identity, [one.public for one in others], salt=salt, after=after)
    public = Public.of(identity, salt)
    me = Recipient(machine_name(), identity.secret.kind, public.opening, public.signing, 0)
    mark = Mark(serial, after.last_record) if after else None
    writers = []
    if machine is not None:
        proof = enrol(lineage.writer.key, lineage.id, machine.public, Rights.WRITER)
        writers.append(EnrolledWriter(me.name, machine.public, Rights.WRITER, proof, serial, of=public.signing))
    return KeyChain(Chain((lineage.envelope,)), Roster([me, *others], writers, mark, mark), stored=False)


def machine_name() -> str:
    """What this machine is called in lists of recipients and writers."""
    return socket.gethostname()[:64]


def succeeded(target: Target, store: Store, identity: Identity, machine: SigningKey | None = None) -> KeyChain:
    """Upload the first envelope of a lineage of suite 1; returns another machine's, if that was faster.

    Raises CatalogError."""
    lineage, end = bytes.fromhex(store.lineage), bytes.fromhex(store.record_digest) or _NONE
    for _ in range(_AGAIN):
        # Junk may have the first names.
        taken = {item.name for item in target.list(kind_prefix(lineage, ObjectKind.KEYS))}
        number = next(number for number in count(1) if ObjectId.keys(lineage, number).name not in taken)
        after = Succession(lineage, end, number)
        found = founded(identity, store.salt, machine=machine, after=after, serial=store.serial)
        if there := _put(target, found, identity, kept=None, salt=store.salt):
            return there
    raise CatalogError(
        "another program keeps taking the names of the first keys of this lineage",
        hint="find out who puts objects there, then apply again",
    )


def put_newest(target: Target, found: KeyChain, identity: Identity) -> KeyChain:
    """Upload the newest envelope, create-only. Raises CatalogError if its name is taken by something that does not
    count."""
    if found.stored or found.roster is None:
        return found
    envelope = found.newest
    lineage = owned_lineage(identity, envelope)
    if lineage is None or lineage.signer.public != envelope.signer:
        return found
    before = found.chain.envelopes[:-1]
    if there := _put(target, found, identity, kept=KeyChain(Chain(before)) if before else None, salt=envelope.salt):
        return there
    name = ObjectId.keys(envelope.lineage, envelope.number).name
    raise CatalogError(
        f"{name} is taken by something that is not an envelope of this lineage",
        hint="find out who put it there, delete it, then apply again",
    )


def _put(target: Target, found: KeyChain, identity: Identity, *, kept: KeyChain | None, salt: bytes) -> KeyChain | None:
    """The chain with its newest envelope put, or as another machine left it; None if junk has the name."""
    envelope, lineage = found.newest, owned_lineage(identity, found.newest)
    assert lineage is not None
    assert found.roster is not None
    try:
        put_keys(target, lineage, found.roster)
    except ObjectExists:
        there = read_chain(target, envelope.lineage, identity, kept=kept, salt=salt)
        return None if there is None or there.newest.number < envelope.number else there
    return replace(found, stored=True)


def put_keys(target: Target, lineage: Lineage, roster: Roster) -> None:
    """Upload the `keys` object of the lineage's envelope, create-only. Raises ObjectExists."""
    object_id, data = seal_keys(lineage, roster)
    target.put(object_id.name, data, md5=hashlib.md5(data, usedforsecurity=False).digest(), tier=Tier.STANDARD)


def check_memory(found: KeyChain | None, seen: SeenKeys | None) -> None:
    """Raises NoiseError if the chain lacks the envelope that was the newest when last seen."""
    if seen is None:
        return
    if found is None or seen.digest not in {one.digest.hex() for one in found.chain.envelopes}:
        raise NoiseError(
            f"envelope {seen.number} of the lineage, which was seen here before, is missing from the bucket",
            hint="the bucket was rolled back, or somebody deleted or replaced its keys; find out who",
        )
