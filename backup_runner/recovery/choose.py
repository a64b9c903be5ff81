"""After a disk failure: gets the catalog back from the bucket.

`pull` takes the newest full copy and the records after it, or, where the local catalog is an ancestor of the bucket's
state, only the records it lacks. `rebuild` replays all records and, where these end, recovers what it can from the
objects' own indexes: contents, names, modes and times, but no history.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from ..catalog import CatalogLock, lines
from ..catalog.database import Store
from ..errors import (
    AccessDenied,
    CatalogError,
    ContainerError,
    ObjectArchived,
    TargetError,
    TransientError,
    WrongKeyError,
)
from ..progress import Events
from ..records import StoredObject
from ..repository.commits import job_names, lineages
from ..repository.heads import Head, head_of, learn_salt
from ..repository.machines import enrol_after_pull
from ..repository.session import Session
from .archived import Thaw, readable_records, refuse_archived
from .chain import Records
from .lineage import Bucket
from .outcome import Recovered, Rewritten

_TRIES = 50
"""Number of objects of a lineage to try, highest number first."""

_TOO_MUCH = "more key derivations than one command makes"

__all__ = ["Recovered", "Thaw", "find_lineage", "pull", "rebuild"]


def pull(
    session: Session,
    events: Events,
    *,
    min_serial: int = 0,
    until: int = 0,
    lineage: str = "",
    thaw: Thaw | None = None,
) -> Recovered:
    """Update the local catalog from the bucket. Raises CatalogError if the bucket is older than what this machine
    has seen, or if its chain has gaps; then the local catalog is unchanged. With `until`, take the state at that
    serial."""
    started = time.monotonic()
    with CatalogLock(session.job.catalog.path), readable_records(session.target, thaw):
        if until:
            bucket = Bucket(session, _choose(session, lineage), events, until=until)
            found = _state_of(bucket, until)
            found.seconds = time.monotonic() - started
            return found
        bucket = Bucket(session, _choose(session, lineage), events)
        bucket.check_age(min_serial)
        if not lineage:
            bucket.check_lineage()
        found = _advance(session, bucket) or bucket.load()
        enrol_after_pull(session, bucket.lineage, found.notes)
        found.seconds = time.monotonic() - started
        return found


def _state_of(bucket: Bucket, until: int) -> Recovered:
    """An older state on request, e.g. from before a machine was taken over."""
    if bucket.newest == 0:
        raise CatalogError(
            f"the bucket has no record up to serial {until} of lineage {bucket.lineage}",
            hint="`catalog pull JOB` says which serial is the newest",
        )
    found = bucket.load()
    found.notes.append(
        f"this is the state of serial {found.serial}; for restores. `catalog pull JOB` brings the newest state back, "
        f"and applies need that"
    )
    return found


def rebuild(session: Session, events: Events, *, lineage: str = "", thaw: Thaw | None = None) -> Recovered:
    """Rebuild the catalog from the records alone, and from the objects' indexes where records are missing."""
    started = time.monotonic()
    with CatalogLock(session.job.catalog.path):
        refuse_archived(session.target, lineage, thaw)
        bucket = Bucket(session, _choose(session, lineage, any_object=True), events)
        if not lineage:
            bucket.check_lineage()
        found = bucket.salvage()
        found.seconds = time.monotonic() - started
        return found


def _advance(session: Session, bucket: Bucket) -> Recovered | None:
    """Replay only later records, if the local catalog is an ancestor without changes of its own."""
    cat = session.catalog()
    store = next((store for store in cat.stores() if store.lineage == bucket.lineage), None) if cat else None
    if cat is None or store is None or not can_advance(session, store) or lines.has_changes(cat, store):
        return None
    if store.serial > bucket.newest:
        # Its last record is from a removed writer.
        return None
    try:
        return bucket.advance(store)
    except Rewritten as error:
        bucket.notes.append(f"{error.message}; the local catalog was replaced")
    except CatalogError:
        # Records were replaced by a newer copy.
        pass
    return None


def can_advance(session: Session, store: Store) -> bool:
    """Whether later records can be replayed on this store.

    Only if it is alone in its catalog: another store's rows may have taken the ids that the records use."""
    return (
        session.need_catalog().is_alone(store.id) and store.serial > 0 and store.state == "ok" and store.pending is None
    )


# -- which lineage


def find_lineage(session: Session, warn: Callable[[str], None]) -> str | None:
    """The lineage in the bucket that has this job, and of several the one written to last; None if none has.

    Lineages under other keys are ignored, with a warning."""
    found, wrong = _candidates(session, lineages(session.target))
    if wrong and not found:
        warn(f"{wrong} lineage(s) in the bucket are encrypted with other keys and were ignored")
    return max(found)[1] if found else None


def _choose(session: Session, wanted: str, *, any_object: bool = False) -> str:
    """The lineage in the bucket that has this job; the newest, if there are several. Raises CatalogError."""
    names = lineages(session.target, any_object=any_object)
    if wanted:
        if wanted not in names:
            raise CatalogError(
                f"there is no lineage {wanted} in the bucket", hint=f"there are: {', '.join(names) or 'none'}"
            )
        return wanted
    if not names and (absence := session.target.absence):
        raise TargetError(f"nothing to read: {absence}", hint="is its disk mounted?")
    found, wrong = _candidates(session, names)
    if found:
        return max(found)[1]
    if any_object and len(names) == 1 and not wrong:
        return names[0]
    if wrong and wrong == len(names):
        raise WrongKeyError(
            "this key cannot decrypt anything in the bucket: everything is encrypted with another key",
            hint="set `encryption` to the key that the backups were made with",
        )
    if session.identity.budget and session.identity.budget.refused:
        raise CatalogError(
            f'no backups of job "{session.job.name}" were found, and the lineages in the bucket ask for {_TOO_MUCH}',
            hint="name the job's lineage with --lineage ID; find out who put the others there",
        )
    several = ", ".join(names) if any_object and len(names) > 1 else ""
    raise CatalogError(
        f'the bucket has no backups of job "{session.job.name}" that this key can decrypt',
        hint=f"choose one of these with --lineage: {several}"
        if several
        else "check bucket, prefix and the job's name; `catalog info JOB` lists what the bucket has",
    )


def _candidates(session: Session, names: list[str]) -> tuple[list[tuple[int, str]], int]:
    """(when its newest record was written, lineage) of those that know the job, and how many have another key."""
    found, wrong = [], 0
    for name in names:
        try:
            head = newest_readable(session, name)
        except WrongKeyError:
            wrong += 1
            continue
        if head is not None and session.job.name in job_names(head):
            found.append((int(str(head["created_ns"])), name))
    if session.identity.budget and session.identity.budget.refused:
        session.warn(f"the {len(names)} lineages in the bucket ask for {_TOO_MUCH}; some were not read")
    return found, wrong


def newest_readable(session: Session, lineage: str) -> Head | None:
    """The header line of the newest record, or else copy, that can be read; what our key cannot decrypt is ignored.

    Raises WrongKeyError if there are objects but none can be decrypted, and TransientError, AccessDenied or
    ObjectArchived if that is unknown: an object that cannot be read for such a reason may still exist."""
    wrong: WrongKeyError | None = None
    session.know(lineage)
    for kind in ("records", "copies"):
        listed = session.target.list(f"{lineage}/{kind}/")
        first = next(listed, None)
        items = deque([first] if first else [], maxlen=_TRIES)
        items.extend(listed)
        if first and kind == "records":
            learn_salt(session.target, session.identity, first.name)
        if kind == "records" and len(items) == _TRIES:
            items.append(_newest_record(session, lineage) or items[-1])
        heads = []
        for item in reversed(items):
            try:
                heads.append(head_of(session.target, session.identity, item))
            except WrongKeyError as error:
                wrong = error
                continue
            except (TransientError, AccessDenied, ObjectArchived):
                raise
            except (ContainerError, TargetError):
                continue
            if kind == "records":
                break
        if heads:
            return max(heads, key=lambda head: int(str(head["serial"])))
    if wrong:
        raise wrong
    return None


def _newest_record(session: Session, lineage: str) -> StoredObject | None:
    """With very many objects, most may be a stranger's."""
    records = Records(session.target, session.identity, lineage)
    try:
        return records.item(records.newest)
    except WrongKeyError:
        return None


def refuse_known_job(session: Session) -> None:
    """If there is no local catalog but the bucket has a lineage with this job, continuing would start from scratch."""
    for lineage in lineages(session.target):
        if session.is_blind:
            raise CatalogError(
                f"the bucket contains backups (lineage {lineage}); this host cannot decrypt whose they are",
                hint="if they are its own, restore its catalog; otherwise use --new-lineage or another `prefix`",
            )
        try:
            head = newest_readable(session, lineage)
        except WrongKeyError:
            continue
        except AccessDenied as error:
            raise CatalogError(
                f"the bucket already has backups (lineage {lineage}); cannot read whether job "
                f'"{session.job.name}" is among them: {error.message}',
                hint="fetch their catalog with `catalog pull JOB` as a user who may read, or, if they belong to "
                "other jobs, start a new lineage with --new-lineage",
            ) from error
        if head is not None and session.job.name in job_names(head):
            raise CatalogError(
                f'the bucket already has backups of job "{session.job.name}" (lineage {lineage}, '
                f"serial {head.get('serial')})that are not in the local catalog",
                hint="fetch their catalog with `catalog pull JOB`, or start a new lineage with --new-lineage",
            )
