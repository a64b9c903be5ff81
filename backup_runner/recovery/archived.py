"""Reports records, copies and keys that a lifecycle rule archived, and thaws them on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..container import ObjectKind, parse_name
from ..errors import (
    CatalogError,
    ContainerError,
    EndlessListing,
    ObjectArchived,
    ObjectMissing,
    TargetError,
    TransientError,
)
from ..records import StoredObject
from ..targets.base import Target

_OF_CATALOGS = (ObjectKind.RECORDS, ObjectKind.COPIES, ObjectKind.KEYS)


@dataclass(frozen=True, slots=True)
class Thaw:
    """Request that archived records be made readable for this many hours."""

    hours: int


@contextmanager
def readable_records(target: Target, thaw: Thaw | None) -> Iterator[None]:
    """Around code that reads records: if it fails and some are archived, raises ObjectArchived instead."""
    try:
        yield
    except (EndlessListing, TransientError):
        # The error is not about an object, and a listing would only take as long again.
        raise
    except (CatalogError, ContainerError, TargetError) as error:
        refuse_archived(target, "", thaw, cause=error)
        raise


def refuse_archived(target: Target, lineage: str, thaw: Thaw | None, *, cause: Exception | None = None) -> None:
    """Raise ObjectArchived if a record, copy or keys object cannot be read now; with `thaw`, request it first."""
    if not target.properties.archives:
        return
    cold = [found for found in target.list(f"{lineage}/" if lineage else "") if found.cold and _of_catalog(found)]
    if not cold:
        return
    what = f"{len(cold)} records, copies or keys of the catalog are in the archive tier and cannot be read"
    if thaw is None:
        raise ObjectArchived(what, hint="use --thaw to make them readable") from cause
    for found in cold:
        if found.archival_state == "Archived":
            try:
                target.restore_archived(found.name, thaw.hours)
            except ObjectMissing:
                continue
    hint = "run the same command again when they are readable; this can take an hour"
    raise ObjectArchived(f"{what}; they are being thawed for {thaw.hours} hours", hint=hint) from cause


def _of_catalog(found: StoredObject) -> bool:
    object_id = parse_name(found.name)
    return object_id is not None and object_id.kind in _OF_CATALOGS
