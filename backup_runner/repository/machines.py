"""Enrols machines, so that each signs with a key of its own.

Where machines share a secret, these keys show which of them wrote an object: one can be removed, and the others go on.
An owner's first apply or pull on a machine enrols it.
"""

from __future__ import annotations

from ..catalog.database import Store
from ..container.suite2.founding import owned_lineage
from ..container.suite2.lineage import Rights, enrol
from ..container.suite2.recipients import fingerprint
from ..container.suite2.roster import EnrolledWriter, Roster
from ..container.suite2.signing import SigningKey
from ..errors import AccessDenied, NotEntitledError, TargetError
from .lineage import Keys, machine_name
from .recipients import KeyChange, carry_out, mark_of
from .session import Session

MOST = 32
"""Machines that enrol themselves; further ones sign with their owner's key. Containers that start empty each time
would otherwise add an envelope with every run."""


def enrolled_keys(session: Session, store: Store, notes: list[str]) -> Keys:
    """The keys of a store for an apply, with this machine enrolled as a writer if it may enrol itself; `notes` then
    says so. Callers hold the catalog's lock.

    Raises what `Session.keys` raises."""
    if session.know(store.lineage) is None and may_enrol(session):
        # A lineage that continues from suite 1 has the machine in its first envelope.
        session.key.make_machine()
    session.keys(store)
    enrol_machine(session, store, notes)
    return session.keys(store)


def enrol_after_pull(session: Session, lineage: str, notes: list[str]) -> None:
    """The same after a pull, which is complete without: the bucket may be read-only for this user."""
    store = next(one for one in session.need_catalog().stores() if one.lineage == lineage)
    try:
        found = session.know(lineage)
        if found is not None and found.stored:
            enrol_machine(session, store, notes)
    except (TargetError, NotEntitledError) as error:
        notes.append(f"this machine was not enrolled as a writer: {error.message}")


def may_enrol(session: Session) -> bool:
    """Whether this machine gets a key of its own. The cache of a remote catalog may be gone by the next run."""
    return not session.is_blind and not session.job.catalog.remote


def enrol_machine(session: Session, store: Store, notes: list[str], *, most: int = MOST) -> None:
    """Add this machine to the lineage's writers if its user is an owner. Callers hold the catalog's lock."""
    found = session.know(store.lineage)
    if found is None or found.roster is None or found.host or not may_enrol(session):
        return
    owner, machine = owned_lineage(session.identity, found.newest), session.key.machine
    if owner is None or (machine is not None and found.roster.writer(machine.public)):
        return
    if sum(one.of is not None and one.void is None for one in found.roster.writers) >= most:
        return
    machine = session.key.make_machine()
    new = machine_writer(machine, owner.writer.key, found.newest.lineage, store.serial, found.roster)
    try:
        changed = carry_out(session.target, found, session.identity, KeyChange(writers=(new,)), mark_of(store))
    except AccessDenied:
        # Policies may let a user add data, but no keys.
        return
    session.use_chain(changed)
    session.keep(store, changed)
    notes.append(f"this machine now signs with a key of its own ({fingerprint(new.key)}); `key list JOB` shows it")


def machine_writer(
    machine: SigningKey, owner: SigningKey, lineage: bytes, serial: int, roster: Roster
) -> EnrolledWriter:
    """A machine that its owner enrols."""
    name = machine_name()
    if any(one.name == name for one in roster.writers):
        name = f"{name[:40]} {fingerprint(machine.public)}"
    proof = enrol(owner, lineage, machine.public, Rights.WRITER)
    return EnrolledWriter(name, machine.public, Rights.WRITER, proof, serial, of=owner.public)
