"""After a complete run: uploads that nothing will go on with, and what the journal still says of them."""

from __future__ import annotations

from ..catalog import Catalog, journal
from ..catalog.database import Store
from ..errors import TargetError
from ..targets.abandoned import abort_abandoned
from ..targets.base import Target


def drop_leftovers(cat: Catalog, store: Store, job: str, target: Target, *, before: float) -> str:
    """Abort a job's unfinished uploads: every file was dealt with, so those left are of files that changed or went.

    Uploads that no journal knows go as well if they began before `before` (seconds since the epoch). Returns "" or why
    some are left."""
    done = [row for row in journal.uploads(cat, store.id) if row.job == job]
    try:
        for row in done:
            if row.object_id is None:
                target.abort_upload(row.name, row.upload)
        with cat.transaction():
            for row in done:
                journal.drop(cat, row.id)
        kept = {row.upload for row in journal.uploads(cat, store.id)}
        abort_abandoned(target, f"{store.lineage}/", keep=kept, before=before)
    except TargetError as error:
        return f"unfinished uploads stay in the bucket: {error.message}"
    return ""
