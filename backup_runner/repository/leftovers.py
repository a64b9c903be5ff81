"""Aborts uploads in parts that older versions began, once, after the catalog was migrated."""

from __future__ import annotations

from ..catalog import Catalog, journal
from ..catalog.database import Store
from ..errors import TargetError
from ..targets.base import Target


def abort_old_uploads(cat: Catalog, store: Store, target: Target) -> str:
    """Abort what the journal of an older version lists, and clear it. Returns "" or why some are left.

    Without entries, the bucket is not accessed."""
    if not (left := journal.uploads(cat, store.id)):
        return ""
    try:
        for name, upload in left:
            target.abort_upload(name, upload)
    except TargetError as error:
        return f"unfinished uploads of an older version could not be deleted: {error.message}"
    with cat.transaction():
        journal.clear(cat, store.id)
    return ""
