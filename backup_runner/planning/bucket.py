"""Examines the bucket while a plan is made."""

from __future__ import annotations

from collections.abc import Iterator

from ..catalog.database import Store
from ..options import PlanOptions
from ..progress import Events
from ..repository.drift import Drift, listing_digest, look
from ..repository.session import Session
from .past import Past


def look_at_bucket(session: Session, past: Past, options: PlanOptions, events: Events, notes: list[str]) -> Drift:
    """How bucket and catalog differ; `notes` receives sentences. Raises TargetError, ForkedError, StalePlanError."""
    cat, store = past.cat, past.store
    if options.offline:
        notes.append("offline: the bucket was not checked")
        return Drift() if cat and store else Drift(digest=listing_digest([]))
    events.phase("listing the bucket")
    if cat is None or store is None:
        # One name is enough: a bucket that cannot be reached should be reported now, not by the apply.
        if next(iter(session.target.list()), None) is not None:
            notes.append(
                "the bucket contains objects that are not in the local catalog; `catalog info` shows whose they are"
            )
        return Drift(digest=listing_digest([]))
    found = look(cat, store, session.target, identity=lambda: session.unlock(store), blind=session.is_blind)
    if found.noise:
        notes.append(f"ignored {found.noise} object(s) with names of records that this key cannot decrypt")
    return found


def bucket_notes(drift: Drift) -> Iterator[str]:
    """Notes on objects that this host cannot read (a stranger's, or archived by a lifecycle rule), and on a gap in the
    records."""
    if drift.strange:
        yield (
            f"{drift.strange} object(s) in the bucket are not in the catalog, and this host cannot decrypt them; "
            f"`prune` with a recipient's key deletes what a killed run left"
        )
    if drift.cold:
        yield (
            f"{drift.cold} object(s) were moved to the archive tier, but not by this job (by a lifecycle rule?); "
            f"restoring them needs --thaw"
        )
    if drift.cold_records:
        yield (
            f"{drift.cold_records} record(s) of the catalog are in the archive tier; `catalog pull` needs --thaw for "
            f"them. Exclude <lineage>/records/ and <lineage>/copies/ from lifecycle rules"
        )
    if drift.gap:
        yield f"{drift.gap}; an apply uploads a full copy"


def serial_then(store: Store | None, drift: Drift) -> int:
    """The serial that the catalog will have when this plan is applied: a killed run's record counts if it arrived."""
    if store is None:
        return 0
    return store.serial + 1 if store.pending and drift.newest_record == store.serial + 1 else store.serial
