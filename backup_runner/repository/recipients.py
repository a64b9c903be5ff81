"""Changes who can decrypt a lineage and who may write to it; each change is a new envelope under `keys/<n>`.

A change is based on the newest envelope in the bucket. The put is create-only, so the second of two machines reads
what the first one did and applies its own change to that: none is lost. A kill leaves the old envelope or the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..catalog import CatalogLock
from ..catalog.database import Store
from ..container import Identity
from ..container.suite2.editing import Members, amend, rotate
from ..container.suite2.envelope import MAX_EPOCH, MAX_OWNERS, MAX_RECIPIENTS
from ..container.suite2.founding import owned_lineage
from ..container.suite2.lineage import NO_ENROLMENT, Rights, Signer, check_entitled, enrol
from ..container.suite2.recipients import fingerprint
from ..container.suite2.roster import EnrolledWriter, Mark, Recipient, Roster
from ..container.suite2.signing import SigningKey
from ..errors import KeyFileError, NotEntitledError, ObjectExists
from ..targets.base import Target
from .commits import FORCE_COPY
from .lineage import KeyChain, put_keys, read_chain
from .session import Session

_TRIES = 100


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What to add and remove. `voids` are signing keys of writers, with the record after which they are void."""

    adds: tuple[Recipient, ...] = ()
    removes: tuple[bytes, ...] = ()
    """Public keys of recipients. Removed recipients must not decrypt later backups, so this starts a new epoch."""
    writers: tuple[EnrolledWriter, ...] = ()
    voids: tuple[tuple[bytes, Mark], ...] = ()
    rotate: bool = False
    names: Mapping[bytes, str] = field(default_factory=dict)
    """What those are called whom it removes, for the text."""

    def __bool__(self) -> bool:
        return bool(self.adds or self.removes or self.writers or self.voids or self.rotate)

    @property
    def lines(self) -> list[str]:
        """The change as text, for a plan."""
        found = [f"+ {describe_recipient(one)} can decrypt" for one in self.adds]
        found += [f"- {self._called(public)} cannot decrypt backups made from now on" for public in self.removes]
        found += [f"+ {one.name} ({fingerprint(one.key)}) may write" for one in self.writers]
        found += [f"- what {self._called(key)} wrote after record {mark.serial} is ignored" for key, mark in self.voids]
        return found + (
            ["~ later backups are encrypted with a new key (new epoch)"] if self.rotate or self.removes else []
        )

    @property
    def caveats(self) -> list[str]:
        """What the change does not do, as text."""
        found = []
        if self.removes or self.rotate:
            found.append(
                "Whoever had a key until now and has a copy of the bucket can still decrypt everything written so far."
            )
        if self.adds:
            found.append(
                "Whoever is added can decrypt everything ever written in format suite 2, but not what was "
                "written in suite 1."
            )
        if self.writers:
            found.append("A signing key decrypts nothing: to make backups, its machine also needs a recipient's key.")
        if self.voids:
            found.append("Objects of a removed writer stay in the bucket until `prune` deletes them.")
        if self.voids and not self.removes:
            found.append("Whoever has a key that decrypts can still read; `key remove` of the recipient changes that.")
        return found

    def _called(self, public: bytes) -> str:
        name, short = self.names.get(public, ""), fingerprint(public)
        return name if short in name else f"{name} ({short})" if name else short


def describe_recipient(one: Recipient) -> str:
    """Name, kind and fingerprint."""
    return f"{one.name} ({one.kind}, {fingerprint(one.public)}{', owner' if one.owner else ''})"


def find_recipient(roster: Roster, wanted: str) -> Recipient:
    """By fingerprint, or by a name that only one has. Raises KeyFileError."""
    found = [one for one in roster.recipients if wanted in (one.name, fingerprint(one.public))]
    if len(found) == 1:
        return found[0]
    known = ", ".join(describe_recipient(one) for one in roster.recipients)
    raise KeyFileError(
        f"{'several recipients are' if found else 'no recipient is'} called {wanted!r}",
        hint=f"give the fingerprint of one of these: {known}",
    )


def is_recipient(roster: Roster, wanted: str) -> bool:
    """Whether some recipient has that name or fingerprint."""
    return any(wanted in (one.name, fingerprint(one.public)) for one in roster.recipients)


def find_writer(roster: Roster, wanted: str) -> EnrolledWriter | None:
    """The same for writers; None if there is none. Raises KeyFileError if several have that name."""
    found = [one for one in roster.writers if wanted in (one.name, fingerprint(one.key))]
    if len(found) > 1:
        known = ", ".join(fingerprint(one.key) for one in found)
        raise KeyFileError(f"several writers are called {wanted!r}", hint=f"give the fingerprint of one: {known}")
    return found[0] if found else None


def writers_of(roster: Roster, gone: Recipient) -> list[EnrolledWriter]:
    """Writers that count no longer once that recipient is removed: their own entry, and their machines. An owner
    gets an entry: in older envelopes, they remain one."""
    found = [
        one
        for one in roster.writers
        if one.void is None and (one.of == gone.owner if one.of else one.name == gone.name)
    ]
    if gone.owner is not None and roster.writer(gone.owner) is None:
        found.append(EnrolledWriter(gone.name, gone.owner, Rights.OWNER, NO_ENROLMENT, gone.since))
    return found


def carry_out(
    target: Target, found: KeyChain, identity: Identity, change: KeyChange, head: Mark | None = None
) -> KeyChain:
    """Apply the change to the newest envelope. Raises KeyFileError, NotEntitledError, TargetError."""
    number = found.newest.number + 1
    for _ in range(_TRIES):
        new = changed(found, identity, change, number=number, head=head)
        lineage = owned_lineage(identity, new.newest) or owned_lineage(identity, found.newest)
        assert lineage is not None
        try:
            put_keys(target, replace(lineage, envelope=new.newest), new.roster or Roster([]))
        except ObjectExists:
            there = read_chain(target, found.newest.lineage, identity, kept=found)
            if there is not None and there.newest != found.newest:
                found, number = there, there.newest.number + 1
            else:
                # The name is taken by junk.
                number += 1
            continue
        return replace(new, stored=True)
    raise KeyFileError("the names of the next envelopes are all in use", hint="find out who puts objects there")


def changed(
    found: KeyChain, identity: Identity, change: KeyChange, *, number: int | None = None, head: Mark | None = None
) -> KeyChain:
    """The chain with the change as its next envelope; nothing is stored."""
    roster = found.roster
    if roster is None:
        raise NotEntitledError("this key cannot decrypt the list of recipients")
    owner = owned_lineage(identity, found.newest)
    if owner is None:
        raise NotEntitledError(
            "this key may read, but only an owner can change who else may",
            hint="`key list JOB` shows who the owners are",
        )
    changed_roster = _roster(roster, change, head or roster.head)
    members = _members(changed_roster.recipients, found.newest.owners, roster)
    key, newest = owner.writer.key, found.newest
    writers = [_still_enrolled(one, newest.lineage, tuple(members.owners), key) for one in changed_roster.writers]
    changed_roster = changed_roster._replace(writers=writers)
    secrets = identity.epoch_secrets(newest)
    if change.rotate or change.removes:
        if newest.epoch >= MAX_EPOCH:
            raise KeyFileError(
                f"this lineage has reached the limit of {MAX_EPOCH} epochs",
                hint="start a new lineage: `apply JOB --new-lineage`",
            )
        envelope = rotate(newest, secrets, members, key, number=number)
    else:
        envelope = amend(newest, secrets, members, key, number=number)
    return KeyChain(found.chain.extended(envelope), changed_roster, stored=False)


def _still_enrolled(
    one: EnrolledWriter, lineage: bytes, owners: tuple[bytes, ...], owner: SigningKey
) -> EnrolledWriter:
    """Writers enrolled by a removed owner are enrolled again by whoever makes the change."""
    try:
        check_entitled(lineage, owners, Signer(one.key, one.rights, one.enrolment))
    except NotEntitledError:
        return one if one.void else one._replace(enrolment=enrol(owner, lineage, one.key, one.rights))
    return one


def _roster(roster: Roster, change: KeyChange, head: Mark | None) -> Roster:
    gone = set(change.removes)
    added = {one.public for one in change.adds}
    recipients = [one for one in roster.recipients if one.public not in gone | added]
    recipients += change.adds
    if not recipients:
        raise KeyFileError("the last recipient cannot be removed", hint="add another recipient first")
    # Of whoever is removed, also machines that were enrolled since the change was planned.
    theirs = [one for person in roster.recipients if person.public in gone for one in writers_of(roster, person)]
    voids = {one.key: head or Mark(0, bytes(32)) for one in theirs} | dict(change.voids)
    new = {one.key for one in change.writers}
    before = [*roster.writers, *(one for one in theirs if roster.writer(one.key) is None)]
    writers = [one._replace(void=voids.get(one.key, one.void)) for one in before if one.key not in new]
    return roster._replace(recipients=recipients, writers=[*writers, *change.writers], head=head)


def _members(recipients: Sequence[Recipient], owners: tuple[bytes, ...], before: Roster) -> Members:
    """Owners are recipients with that right, and keys without a recipient (the founder of a host's lineage)."""
    known = {one.owner for one in before.recipients}
    keys = [one.owner for one in recipients if one.owner] + [key for key in owners if key not in known]
    if not any(one.owner for one in recipients):
        raise KeyFileError("the last owner cannot be removed", hint="make another recipient an owner first")
    if len(recipients) > MAX_RECIPIENTS or len(keys) > MAX_OWNERS:
        raise KeyFileError(f"a lineage has at most {MAX_RECIPIENTS} recipients and {MAX_OWNERS} owners")
    return Members([one.public for one in recipients], list(dict.fromkeys(keys)))


def mark_of(store: Store) -> Mark | None:
    """The newest record of a store in the catalog."""
    digest = store.record_digest
    return Mark(store.serial, bytes.fromhex(digest)) if digest else None


@dataclass(frozen=True, slots=True)
class ChangeParts:
    """The objects that a change of keys works with."""

    store: Store
    found: KeyChain
    roster: Roster
    identity: Identity = field(repr=False)

    @property
    def head(self) -> Mark | None:
        """The newest record of this lineage that the catalog has."""
        return mark_of(self.store)

    def enrolled(self, name: str, key: bytes) -> EnrolledWriter:
        """A writer with that signing key: of a recipient's pair, or of a machine. Raises NotEntitledError, and
        KeyFileError for a key that was enrolled before."""
        known = self.roster.writer(key)
        if known is not None and known.void is None:
            raise KeyFileError(
                f"{known.name} ({fingerprint(key)}) is a writer already", hint="`key list JOB` shows all writers"
            )
        if known is not None:
            raise KeyFileError(
                f"{known.name} ({fingerprint(key)}) was removed as a writer, and its key stays void",
                hint="it needs a new key",
            )
        owner = owned_lineage(self.identity, self.found.newest)
        if owner is None:
            raise NotEntitledError("only an owner can enrol writers", hint="`key list JOB` shows who the owners are")
        proof = enrol(owner.writer.key, self.found.newest.lineage, key, Rights.WRITER)
        return EnrolledWriter(name, key, Rights.WRITER, proof, self.store.serial)


def change_keys(
    session: Session, make: Callable[[ChangeParts], KeyChange], agreed: Callable[[KeyChange], bool]
) -> KeyChain | None:
    """Plan a change of a lineage's keys, get it confirmed, carry it out; None if it is declined."""
    with CatalogLock(session.job.catalog.path):
        _, store, _ = session.need_store()
        keys = session.keys(store)
        found = session.know(store.lineage)
        assert found is not None
        if found.roster is None:
            raise NotEntitledError("this key cannot decrypt the list of recipients")
        ground = ChangeParts(store, found, found.roster, keys.identity)
        change = make(ground)
        # Refused before asking.
        changed(found, keys.identity, change, head=ground.head)
        if not agreed(change):
            return None
        new = carry_out(session.target, found, keys.identity, change, ground.head)
        session.use_chain(new)
        session.keep(store, new)
        if change.voids:
            # Full copies by these writers count no longer, so that somebody else makes one.
            with session.need_catalog().transaction():
                session.need_catalog().set_store(store.id, since_size=FORCE_COPY)
        return new
