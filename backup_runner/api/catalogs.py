"""The catalog as a whole: what it knows, and how to get it back after a disk failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..progress import Events
from .work import listener, opened

if TYPE_CHECKING:
    from ..catalog.surveying import CatalogKnown
    from ..recovery.backup_tool import Imported, ImportOptions
    from ..recovery.outcome import Recovered
    from ..recovery.survey import LineageSeen
    from ..spec import Job


@dataclass(frozen=True, slots=True)
class CatalogInfo:
    """What the catalog file knows of all its jobs; `target` is where this job's objects are."""

    catalog: CatalogKnown
    target: str
    bucket: list[LineageSeen] | None
    """What the bucket contains; None if the catalog knows the job's store and the bucket was not read."""


def catalog_info(job: Job, *, events: Events | None = None) -> CatalogInfo:
    """What the catalog knows of all its jobs; if it does not know this one, also what the bucket contains."""
    from ..catalog.surveying import CatalogKnown, known
    from ..recovery.survey import survey

    with opened(job, listener(events), as_cached=True) as session:
        catalog = session.catalog()
        return CatalogInfo(
            catalog=known(catalog) if catalog else CatalogKnown(job.catalog.path),
            target=session.target.identity,
            bucket=None if session.store() else survey(session),
        )


def pull(
    job: Job,
    *,
    min_serial: int = 0,
    until: int = 0,
    lineage: str = "",
    thaw_hours: int | None = None,
    events: Events | None = None,
) -> Recovered:
    """Fetch the catalog from the bucket: the newest full copy and the records after it. Needs only job file and key.

    Fails if the newest record in the bucket is older than `min_serial`. With `until`, fetches the state of that serial
    and nothing later. With `thaw_hours`, archived records are made
    readable for that many hours. Raises CatalogError, WrongKeyError, TargetError.
    """
    from ..recovery import choose as recovery

    heard = listener(events)
    with opened(job, heard, as_cached=True, decrypting="`catalog pull`") as session:
        thaw = None if thaw_hours is None else recovery.Thaw(thaw_hours)
        return recovery.pull(session, heard, min_serial=min_serial, until=until, lineage=lineage, thaw=thaw)


def rebuild(
    job: Job,
    *,
    lineage: str = "",
    thaw_hours: int | None = None,
    events: Events | None = None,
    review: Callable[[], bool] | None = None,
) -> Recovered | None:
    """Rebuild the catalog from the records or, where these are missing, from the objects themselves.

    What could not be recovered is in `missing`. `review` is called before a catalog that knows this job's store is
    replaced; if it returns False, the result is None. Raises CatalogError, WrongKeyError, TargetError.
    """
    from ..recovery import choose as recovery

    heard = listener(events)
    with opened(job, heard, as_cached=True, decrypting="`catalog rebuild`") as session:
        if review is not None and session.store() is not None and not review():
            return None
        thaw = None if thaw_hours is None else recovery.Thaw(thaw_hours)
        return recovery.rebuild(session, heard, lineage=lineage, thaw=thaw)


def import_backup_tool(job: Job, options: ImportOptions, *, events: Events | None = None) -> Imported:
    """Add what backup-tool stored to the catalog, as a snapshot of this job. Nothing is uploaded or changed.

    Raises CatalogError for its database, WrongKeyError, BackupRunnerError for missing or damaged objects.
    """
    from ..recovery.backup_tool import import_legacy

    heard = listener(events)
    with opened(job, heard, decrypting="an import") as session:
        return import_legacy(session, options, heard)
