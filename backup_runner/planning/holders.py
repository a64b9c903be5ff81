"""Who can decrypt what a plan writes, and which recipients in the job file it adds or removes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..catalog.database import Store
from ..container.suite2.recipients import fingerprint
from ..container.suite2.roster import Recipient
from ..errors import KeyFileError, NotEntitledError
from ..reasons import Cause, Reason
from ..records import Action, ActionKind, Holder
from ..repository.declared import concerns, declared, names_of
from ..repository.lineage import KeyChain, kept_chain
from ..repository.recipients import KeyChange, changed
from ..repository.session import Session
from .file import Fields

_OWN = "the key of this job"
_COMES = Reason(Cause.RECIPIENT_NAMED)
_GOES = Reason(Cause.RECIPIENT_UNNAMED)


@dataclass
class Holders:
    """After `actions`, `opens` are those who can decrypt what is written: {name, kind, fingerprint}."""

    session: Session
    notes: list[str]
    offline: bool = False
    opens: list[Fields] = field(default_factory=list)
    keyless: bool = False

    def actions(self, store: Store | None) -> Iterator[Action]:
        """Raises KeyFileError for a recipient that cannot be read, NoiseError, TargetError."""
        job = self.session.job
        found = self._chain(store)
        if found is None or found.roster is None:
            if store is None or not concerns(job, None):
                yield from self._founding(store)
            else:
                yield from self._unknown(found)
            return
        change = KeyChange()
        if concerns(job, found.roster) and not self.keyless:
            change = change_of(self.session, found, store.serial if store else 0)
            change = self._if_possible(found, change)
        self.notes += change.caveats
        yield from (_action("add", one, _COMES) for one in change.adds)
        gone = [one for one in found.roster.recipients if one.public in change.removes]
        yield from (_action("remove", one, _GOES) for one in gone)
        stay = [one for one in found.roster.recipients if one.public not in change.removes]
        self.opens = [_fields(one) for one in (*stay, *change.adds)]

    def _chain(self, store: Store | None) -> KeyChain | None:
        cat = self.session.catalog()
        kept = kept_chain(cat, store) if cat and store else None
        if store is None or self.offline or not concerns(self.session.job, kept.roster if kept else None):
            # Nothing changes for recipients then: no key is read, and the bucket is not accessed.
            return kept
        try:
            self.session.check_key(store)
        except KeyFileError as error:
            # Planning works without a key; the apply does not.
            self.notes.append(f"recipients were not compared: {error.message}")
            self.keyless = True
            return kept
        return self.session.know(store.lineage) or kept

    def _founding(self, store: Store | None) -> Iterator[Action]:
        """The apply will create the first envelope."""
        job = self.session.job
        others = declared(job, self.session.env, None, store.serial if store else 0)
        yield from (_action("add", one, _COMES) for one in others)
        names = names_of(job.encryption)
        yield from (Action(ActionKind.KEY, _COMES, holder=Holder("add", name, "")) for name in names)
        own = [] if job.encryption.is_blind else [{"name": _OWN, "kind": "", "fingerprint": ""}]
        by_name = [{"name": name, "kind": "passphrase", "fingerprint": ""} for name in names]
        self.opens = [*own, *(_fields(one) for one in others), *by_name]

    def _unknown(self, found: KeyChain | None) -> Iterator[Action]:
        """A lineage of suite 1, or a list that this key cannot decrypt."""
        if found is None:
            yield from self._founding(None)
            return
        self.notes.append("who can decrypt these backups is not known: this key cannot decrypt the list of recipients")

    def _if_possible(self, found: KeyChain, change: KeyChange) -> KeyChange:
        if not change:
            return change
        if self.session.is_blind:
            self.notes.append(
                "the recipients in the job differ from those of its backups, which stay as they are: this host cannot "
                "change them; a recipient does with `key add` and `key remove`"
            )
            return KeyChange()
        try:
            changed(found, self.session.identity, change)
        except NotEntitledError as error:
            self.notes.append(
                f"the recipients in the job differ from those of its backups, which stay as they are: {error.message}"
            )
            return KeyChange()
        return change


def change_of(session: Session, found: KeyChain, since: int) -> KeyChange:
    """The changes that the job's recipients require for a lineage with a known list. Its own key is never removed."""
    job, roster = session.job, found.roster
    assert roster is not None
    salt = found.newest.salt
    own = None if job.encryption.is_blind else session.identity.public(salt)
    wanted = declared(job, session.env, salt, since)
    publics = {one.public for one in wanted}
    there = {one.public for one in roster.recipients}
    names = {one.name for one in roster.recipients}
    adds = [one for one in wanted if one.public not in there]
    # Two recipients with the same name could not be distinguished.
    adds = [
        one._replace(name=f"{one.name[:40]} {fingerprint(one.public)}") if one.name in names else one for one in adds
    ]
    removes = [
        one.public
        for one in roster.recipients
        if one.job == job.name and one.public not in publics and one.public != own
    ]
    return KeyChange(adds=tuple(adds), removes=tuple(removes))


def unplanned(found: KeyChain, change: KeyChange, planned: list[Action]) -> list[str]:
    """Names of those who would be added or removed now, but not in the plan."""
    assert found.roster is not None
    said = {(one.holder.change, one.holder.name, one.holder.fingerprint) for one in planned if one.holder}
    comes = [("add", one) for one in change.adds]
    goes = [("remove", one) for one in found.roster.recipients if one.public in change.removes]
    return [
        one.name
        for what, one in (*comes, *goes)
        if (what, one.name, fingerprint(one.public)) not in said and (what, one.name, "") not in said
    ]


def _action(change: str, one: Recipient, reason: Reason) -> Action:
    return Action(ActionKind.KEY, reason, holder=Holder(change, one.name, fingerprint(one.public)))


def _fields(one: Recipient) -> Fields:
    return {"name": one.name, "kind": one.kind.value, "fingerprint": fingerprint(one.public)}
