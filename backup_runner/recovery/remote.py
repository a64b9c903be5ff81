"""A remote catalog: the local file is a cache, updated to the newest state in the bucket before every command."""

from __future__ import annotations

import time

from ..catalog import CatalogLock, lines
from ..catalog.database import Store
from ..errors import CatalogError, ObjectMissing
from ..progress import Events
from ..repository.commits import record_name, resolve_pending
from ..repository.session import Session, check_place
from .choose import can_advance, find_lineage
from .lineage import Bucket
from .outcome import Recovered, Rewritten

_LOCK_SECONDS = 10.0


def refresh(session: Session, events: Events) -> Recovered | None:
    """Update the cache from the bucket; None if it is up to date, or if the bucket has nothing of this job.

    Two or three small requests if nothing is new. Raises CatalogError if the bucket was rolled back or its chain of
    records is broken, BusyError if another process is writing the cache."""
    store = session.store()
    if store is not None and not _is_behind(session, store):
        return None
    started = time.monotonic()
    with CatalogLock(session.job.catalog.path, wait_seconds=_LOCK_SECONDS):
        found = _refresh(session, events)
    if found is not None:
        found.seconds = time.monotonic() - started
    return found


def _is_behind(session: Session, store: Store) -> bool:
    """Whether the bucket may have more: a record after ours, or not even ours."""
    if store.serial == 0 or store.state != "ok" or store.pending is not None:
        return True
    target = session.target
    try:
        target.stat(record_name(store, store.serial))
    except ObjectMissing:
        return True
    try:
        target.stat(record_name(store, store.serial + 1))
    except ObjectMissing:
        return False
    return True


def _refresh(session: Session, events: Events) -> Recovered | None:
    store = session.store()
    if store is not None and store.pending is not None:
        store = resolve_pending(session.need_catalog(), store, session.target, session.identity)
    if store is None or store.serial == 0:
        # A local lineage without a record is replaced by one in the bucket that has this job.
        lineage = find_lineage(session, events.warn)
        if lineage is None:
            return None
        bucket = Bucket(session, lineage, events)
        bucket.check_lineage()
        return _load(bucket)
    check_place(session.target, store)
    bucket = Bucket(session, store.lineage, events)
    bucket.check_age(store.serial)
    if store.state == "ok" and bucket.newest == store.serial:
        return None
    if can_advance(session, store) and not lines.has_changes(session.need_catalog(), store):
        try:
            return bucket.advance(store)
        except Rewritten:
            raise
        except CatalogError:
            # Records were replaced by a newer copy.
            pass
    return _load(bucket)


def _load(bucket: Bucket) -> Recovered:
    bucket.check_age(0)
    return bucket.load()
