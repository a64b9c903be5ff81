"""First applies: a job should have one lineage in a bucket, even if two machines begin at the same time.

Whoever creates a lineage says so in its lease, then looks for others doing the same. A machine stops if it finds one
that has already looked, or one whose lineage comes first by name; so of two, one continues. If policy forbids reading
or replacing leases, the checks before and after the first record still find the other lineage.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..catalog import Catalog
from ..catalog.database import Store
from ..catalog.lines import drop_store
from ..container import ObjectId, ObjectKind, parse_name
from ..errors import AccessDenied, BusyError, CatalogError, WrongKeyError
from ..repository import commits as committing
from ..repository.lease import LIFETIME, Lease, holder_of, is_dead, read_note
from ..repository.session import Session

LOOKING, WORKING = "looking", "working"
_PATIENCE = 20.0
"""Seconds within which a running machine renews its lease."""
_LOOK = 0.5


def first_note(session: Session) -> dict[str, object]:
    """The note about a first apply in the lease of a lineage."""
    return {"job": session.job.name, "first": LOOKING}


def make_way(session: Session, cat: Catalog, store: Store, lease: Lease) -> None:
    """Make sure that only one machine continues with the first apply of this job. Raises BusyError if it is another."""
    seen: dict[str, tuple[object, float]] = {}
    while True:
        waiting = False
        for lineage, note in _others(session, store.lineage):
            now = time.monotonic()
            moved, since = seen.setdefault(lineage, (note.get("renewed"), now))
            if is_dead(note) or (moved == note.get("renewed") and now - since >= _PATIENCE):
                continue
            recent = abs(time.time() - float(str(note.get("renewed", 0)))) < LIFETIME
            if (recent or moved != note.get("renewed")) and (note["first"] == WORKING or lineage < store.lineage):
                with cat.transaction():
                    drop_store(cat, store.id)
                raise BusyError(
                    f'another machine is making the first backup of job "{session.job.name}": {holder_of(note)}',
                    hint="wait for it to finish, fetch its catalog with `catalog pull JOB`, then apply again; or "
                    "start a separate lineage with --new-lineage",
                )
            waiting = True
        if not waiting:
            break
        time.sleep(_LOOK)
    lease.say(first=WORKING)


def _others(session: Session, own: str) -> Iterator[tuple[str, dict[str, object]]]:
    """(lineage, note) of leases on lineages without records whose holders make this job's first backup."""
    recorded: set[str] = set()
    leases: list[ObjectId] = []
    for item in session.target.list():
        found = parse_name(item.name)
        if found is not None and found.kind is ObjectKind.RECORDS:
            recorded.add(found.lineage.hex())
        elif found is not None and found.kind is ObjectKind.LEASE:
            leases.append(found)
    for found in leases:
        lineage = found.lineage.hex()
        if lineage == own or lineage in recorded:
            continue
        session.know(lineage)
        note = read_note(session.target, session.identity, found)
        if note.get("job") == session.job.name and note.get("first") in (LOOKING, WORKING):
            yield lineage, note


def give_way(session: Session, cat: Catalog, store: Store) -> None:
    """Before the first record of a lineage: if the job has another one by now, abandon this one.

    Raises CatalogError. What was uploaded so far is not part of any backup."""
    found = _known_elsewhere(session, store.lineage)
    if not found:
        return
    with cat.transaction():
        drop_store(cat, store.id)
    raise CatalogError(
        f'another machine made the first backup of job "{session.job.name}" meanwhile (lineage {found}); '
        f"this one (lineage {store.lineage}) was abandoned before it was recorded",
        hint="fetch its catalog with `catalog pull JOB`, then apply again; its contents are not uploaded twice",
    )


def two_lineages(session: Session, store: Store) -> str:
    """After the first record: the message if another machine recorded a lineage of this job at the same time, or ""."""
    found = _known_elsewhere(session, store.lineage)
    if not found:
        return ""
    return (
        f'job "{session.job.name}" now has two lineages in the bucket: {store.lineage}, made here, and {found}, made '
        "by another machine at the same time; continue only one of them (`catalog pull JOB --lineage ID`)"
    )


def _known_elsewhere(session: Session, own: str) -> str:
    """Another lineage that has the job, as far as this key and permissions show."""
    from ..recovery.choose import newest_readable

    for lineage in committing.lineages(session.target):
        if lineage == own:
            continue
        try:
            head = newest_readable(session, lineage)
        except (WrongKeyError, AccessDenied):
            continue
        if head is not None and session.job.name in committing.job_names(head):
            return lineage
    return ""
