"""Changes tags and notes of existing snapshots, in the catalog and by a record in the bucket, like every change."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import orjson

from ..catalog import CatalogLock
from ..catalog.about import About, about_of, numbers_of
from ..errors import ForkedError
from ..repository import commits as committing
from ..repository.lease import Lease
from ..repository.session import Session


def relabel(
    session: Session,
    snapshots: Sequence[int],
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
    note: str | None = None,
) -> list[tuple[int, About]]:
    """Add and remove tags of snapshots and, if one is given, write their note. Returns their labels afterwards, by id.

    Raises ForkedError, BusyError, CatalogError."""
    with CatalogLock(session.job.catalog.path):
        cat, store, _ = session.need_store()
        store = committing.resolve_pending(cat, store, session.target, session.unlock(store))
        if store.state == "forked":
            raise ForkedError(
                "another machine continued this lineage",
                hint="fetch the newer state with `catalog pull JOB`",
            )
        keys = session.keys(store)
        lease = Lease(store, session.target, keys, session.warn)
        try:
            lease.take(0.0)
            found = []
            with cat.transaction():
                for number in snapshots:
                    snapshot = cat.snapshot(number)
                    assert snapshot is not None
                    old = about_of(snapshot.totals)
                    kept = tuple(tag for tag in (*old.tags, *add) if tag not in remove)
                    new = old._replace(tags=tuple(sorted(set(kept))), note=old.note if note is None else note)
                    totals = numbers_of(snapshot.totals) | new.fields
                    cat.set_totals(number, orjson.dumps(totals).decode())
                    found.append((number, new))
            committing.commit(cat, store, session.target, keys)
            return found
        finally:
            lease.release()
