"""The result of an import from backup-tool, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..planning.file import path_fields
from . import escape, units

if TYPE_CHECKING:
    from ..recovery.backup_tool import Imported

_NAMED = 20
COUNTS = (
    "snapshot_id", "serial", "objects", "bytes", "files", "known_objects", "known_files", "pinned", "renumbered"
)  # fmt: skip


def import_fields(outcome: Imported) -> dict[str, Any]:
    """The one document of `catalog import-backup-tool --json`."""
    return {
        **{name: getattr(outcome, name) for name in COUNTS},
        "problems": [
            path_fields(item.key) | {"problem": item.kind, "message": item.message} for item in outcome.problems
        ],
        "notes": outcome.notes,
    }


def import_lines(outcome: Imported) -> Iterator[str]:
    """The summary as text."""
    files, objects = units.count(outcome.files, "file"), units.count(outcome.objects, "object")
    yield f"Imported {files} in {objects} ({units.size(outcome.bytes)}) as snapshot {outcome.snapshot_id}."
    if outcome.known_objects:
        yield f"{units.count(outcome.known_objects, 'object')} had already been imported."
    if outcome.known_files:
        yield f"{units.count(outcome.known_files, 'file')} had a newer backup here, which is kept."
    if outcome.pinned:
        yield f"{units.count(outcome.pinned, 'object')} belong to no file; only `backup cleanup` deletes them."
    if outcome.renumbered:
        yield f"{outcome.renumbered} ids were already in use; `file list` and `backup list` show the new ones."
    for note in outcome.notes:
        yield f"note: {note}"
    for item in outcome.problems[:_NAMED]:
        yield f"not imported: {escape.name(item.key)}: {item.message}"
    if len(outcome.problems) > _NAMED:
        yield f"and {len(outcome.problems) - _NAMED} more"
    yield "backup-tool's format has no MAC: only MD5s protect these objects. `reseal: true` converts them to ours."
