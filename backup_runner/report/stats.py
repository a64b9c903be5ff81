"""`stats`: sizes, ratios and growth of a job as text and JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..records import ActionKind, Kind
from . import escape, units
from .folders import FolderTree
from .tables import table

if TYPE_CHECKING:
    from ..catalog.browsing import PathVersion
    from ..catalog.sizing import Sizes
    from ..planning.file import Header
    from ..records import Action
    from .folders import FolderSum

Fields = dict[str, Any]
_FOLDERS = 12
_LAST = 12


def largest_folders(versions: Iterable[PathVersion]) -> list[FolderSum]:
    """The largest folders of a snapshot, which together have all of its files."""
    tree = FolderTree()
    for version in versions:
        if version.kind != Kind.DIRECTORY:
            tree.add(version.key, version.size)
    return tree.largest(_FOLDERS) if tree.used else []


def stats_fields(job: str, target: str, sizes: Sizes, folders: list[FolderSum], freed: Fields) -> Fields:
    """All of it as JSON; ratios are null where there is nothing yet."""
    from ..planning.file import path_fields

    return {
        "job": job,
        "target": target,
        "jobs_in_lineage": sizes.jobs,
        "sources": [path_fields(one.path) | {"files": one.files, "bytes": one.size} for one in sizes.sources],
        "snapshots": [
            {
                "id": one.id, "scanned": units.iso_time(one.scanned_ns), "status": one.status, "files": one.files,
                "bytes": one.size, "new_bytes": one.new, "stored_bytes": one.stored, "kept_bytes": one.kept,
            }
            for one in sizes.steps
        ],
        "versions": sizes.versions,
        "version_bytes": sizes.version_bytes,
        "distinct_bytes": sizes.distinct_bytes,
        "unique_bytes": sizes.unique_bytes,
        "deduplication": _rounded(sizes.deduplication),
        "objects": sizes.objects,
        "object_bytes": sizes.object_bytes,
        "object_plain_bytes": sizes.object_plain,
        "compression": _rounded(sizes.compression),
        "unused_bytes": sizes.unused_bytes,
        "bytes_by_tier": dict(sizes.tiers),
        "folders": [
            path_fields(one.folder) | {"files": one.files, "bytes": one.size, "rest": one.rest} for one in folders
        ],
        "prune": freed,
    }  # fmt: skip


def freed_fields(header: Header, actions: Iterator[Action], sizes_of: dict[str, int]) -> Fields:
    """What a plan of `prune` would free; `sizes_of` has bytes of objects by name. Rewritten packs are estimated."""
    freed, snapshots, objects = 0, 0, 0
    for action in actions:
        if action.kind is ActionKind.FORGET:
            snapshots += 1
        elif action.kind is ActionKind.DELETE:
            objects += 1
            freed += action.size
        elif action.kind is ActionKind.REPACK:
            objects += 1
            # What moves is as compressible as what is left behind, as far as anybody knows.
            dead = int(action.reason.details[0]) if action.reason.details else 0
            freed += sizes_of.get(action.object_name, 0) * dead // 100
    return {
        "snapshots": snapshots,
        "objects": objects,
        "bytes": freed,
        "guards": sorted({guard["name"] for guard in header.guards}),
    }


def stats_lines(fields: Fields) -> Iterator[str]:
    """The same as text."""
    yield f'Job "{escape.one_line(fields["job"])}" at {escape.one_line(fields["target"])}'
    yield ""
    yield "Sources, in the newest complete snapshot"
    yield from table(
        ("path", "files", "size"),
        [(_name(one), units.count(one["files"]), units.size(one["bytes"])) for one in fields["sources"]],
    )
    yield ""
    yield from _stored(fields)
    if fields["folders"]:
        yield ""
        yield "Largest folders"
        yield from table(
            ("folder", "files", "size"),
            [
                (_folder(one), units.count(one["files"]), units.size(one["bytes"]))
                for one in fields["folders"]
            ],
        )  # fmt: skip
    yield ""
    yield "Snapshots" + (
        f", the last {_LAST} of {len(fields['snapshots'])}" if len(fields["snapshots"]) > _LAST else ""
    )
    yield from table(
        ("id", "time", "files", "size", "new", "stored", "there by then"),
        [
            (
                str(one["id"]), one["scanned"][:16].replace("T", " "), units.count(one["files"]),
                units.size(one["bytes"]), units.size(one["new_bytes"]), units.size(one["stored_bytes"]),
                units.size(one["kept_bytes"]),
            )
            for one in fields["snapshots"][-_LAST:]
        ],
    )  # fmt: skip


def _stored(fields: Fields) -> Iterator[str]:
    shared = fields["jobs_in_lineage"]
    of_all = f", shared by {units.count(shared, 'job')}" if shared > 1 else ""
    dedup, compression = fields["deduplication"], fields["compression"]
    yield "Stored"
    yield f"  {units.count(fields['versions'], 'version')} of files: {units.size(fields['version_bytes'])}"
    yield f"  without what is there twice: {units.size(fields['unique_bytes'])}" + (
        f", deduplicated {dedup:.2f} : 1" if dedup else ""
    )
    yield f"  {units.count(fields['objects'], 'object')}: {units.size(fields['object_bytes'])}" + (
        f", compressed {compression:.2f} : 1{of_all}" if compression else ""
    )
    if len(fields["bytes_by_tier"]) > 1:
        yield "  " + ", ".join(f"{tier} {units.size(size)}" for tier, size in sorted(fields["bytes_by_tier"].items()))
    yield f"  no longer needed by any snapshot: {units.size(fields['unused_bytes'])} of what is in them"
    freed = fields["prune"]
    said = f"`prune` would free about {units.size(freed['bytes'])}"
    if freed["snapshots"]:
        said += f" and forget {units.count(freed['snapshots'], 'snapshot')}"
    if freed["guards"]:
        said += f"; guards would stop it: {', '.join(freed['guards'])}"
    yield f"  {said}"


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 3)


def _name(fields: Fields) -> str:
    from ..planning.file import key_of

    return escape.name(key_of(fields))


def _folder(fields: Fields) -> str:
    return (_name(fields) or os.curdir) + (" (the rest)" if fields["rest"] else "")
