"""Compares a path with the catalog; the difference becomes the reason of an action."""

from __future__ import annotations

from ..reasons import Cause, Reason
from ..records import Action, ActionKind, CatalogRow, Digests, Entry, Flag
from ..spec import Detect


def path_action(
    kind: ActionKind,
    entry: Entry,
    reason: Reason,
    *,
    leader: bytes | None = None,
    digests: Digests | None = None,
    content_id: int | None = None,
    forced: bool = False,
) -> Action:
    """An action on what the scan found."""
    return Action(
        kind,
        reason,
        entry.key,
        entry.kind,
        entry.size,
        entry.mtime_ns,
        entry.ctime_ns,
        digests.blake3 if digests else None,
        content_id,
        leader,
        forced,
    )


def moved(entry: Entry, row: CatalogRow, detect: Detect) -> Reason | None:
    """Whether content may have changed, by size and times."""
    if entry.size != row.size:
        return Reason(Cause.SIZE)
    if entry.mtime_ns != row.mtime_ns:
        return Reason(Cause.MTIME)
    if row.ctime_ns == 0:
        # Imported: the times that another tool recorded say nothing about the content that it stored.
        return Reason(Cause.NEVER_COMPARED)
    if detect is not Detect.MTIME and entry.ctime_ns != row.ctime_ns:
        return Reason(Cause.CTIME)
    return None


def stale(row: CatalogRow) -> Reason | None:
    """Whether the stored content is older than the file was at the last apply."""
    return Reason(Cause.UNREAD) if row.flags & Flag.STALE else None


def lacking(row: CatalogRow) -> Reason | None:
    """Why an entry must be checked again although it did not change."""
    return stale(row) or (Reason(Cause.ATTRIBUTES_UNREAD) if row.flags & Flag.NO_ATTRIBUTES else None)


def metadata_moved(entry: Entry, row: CatalogRow) -> Reason | None:
    """Whether mode, owner or group changed."""
    both = (("mode", entry.mode, row.mode), ("owner", entry.uid, row.uid), ("group", entry.gid, row.gid))
    found = tuple(name for name, now, before in both if now != before)
    return Reason(Cause.METADATA, details=found) if found else None
