"""Output of `find` and `history`: versions of paths and the snapshots they are in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..catalog.browsing import PathVersion, parts_changed, snapshots_within
from ..planning.file import path_fields
from . import units
from .browsing import Fields, shown_name, size_and_time, snapshot_of, version_fields
from .look import Look

if TYPE_CHECKING:
    from ..catalog.database import Snapshot


class Snapshots:
    """A job's snapshots by id, and which of them a version is in."""

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self._by_id: Mapping[int, Snapshot] = {item.id: item for item in snapshots}
        self._ids = sorted(self._by_id)

    def within(self, first: int, until: int | None) -> list[Snapshot]:
        return [self._by_id[number] for number in snapshots_within(self._ids, first, until)]

    def fields(self, found: list[Snapshot]) -> Fields:
        return {"first": snapshot_of(found[0]), "last": snapshot_of(found[-1]), "snapshots": len(found)}

    def date(self, number: int) -> str:
        return self._by_id[number].date_text

    def is_newest(self, snapshot: Snapshot) -> bool:
        return snapshot.id == self._ids[-1]


def find_documents(versions: Iterable[PathVersion], snapshots: Snapshots) -> Iterator[Fields]:
    """Yields a `version` per version of each path that a snapshot still has, then a `summary`."""
    paths, number, last = 0, 0, None
    for version in versions:
        if not (found := snapshots.within(version.first, version.until)):
            continue
        number += 1
        paths += version.key != last
        last = version.key
        yield {"kind": "version"} | path_fields(version.key) | version_fields(version) | snapshots.fields(found)
    yield {"kind": "summary", "paths": paths, "versions": number}


def find_lines(versions: Iterable[PathVersion], snapshots: Snapshots, look: Look) -> Iterator[str]:
    """One line per version: its snapshots, then its fields."""
    paths, number, last = 0, 0, None
    for version in versions:
        if not (found := snapshots.within(version.first, version.until)):
            continue
        number += 1
        paths += version.key != last
        last = version.key
        now = "" if snapshots.is_newest(found[-1]) else look.paint("  (not in the newest)", "dim")
        yield f"{_span(found):>9}  {size_and_time(version)}  {shown_name(version, look)}{now}"
    yield look.paint(f"{units.count(paths, 'path')}, {units.count(number, 'version')}", "dim")


def _span(found: list[Snapshot]) -> str:
    return str(found[0].id) if len(found) == 1 else f"{found[0].id}-{found[-1].id}"


def history_documents(versions: Iterable[PathVersion], snapshots: Snapshots) -> Iterator[Fields]:
    """The versions of one path, oldest first, and the periods in which it was `absent`."""
    before: PathVersion | None = None
    for version in versions:
        if before is not None:
            yield from _absent(before, version.first, snapshots)
        what = list(parts_changed(before, version)) if before is not None else []
        before = version
        if found := snapshots.within(version.first, version.until):
            yield (
                {"kind": "version"}
                | path_fields(version.key)
                | version_fields(version)
                | snapshots.fields(found)
                | {"what": what}
            )
    if before is not None:
        yield from _absent(before, None, snapshots)


def _absent(before: PathVersion, until: int | None, snapshots: Snapshots) -> Iterator[Fields]:
    if before.until is not None and (found := snapshots.within(before.until, until)):
        yield {"kind": "absent"} | path_fields(before.key) | snapshots.fields(found)


def history_lines(versions: Iterable[PathVersion], snapshots: Snapshots, look: Look) -> Iterator[str]:
    """One line per version or absence of a path: snapshots, fields, changes."""
    for fields in history_documents(versions, snapshots):
        first, last = fields["first"], fields["last"]
        span = str(first["id"]) if first["id"] == last["id"] else f"{first['id']}-{last['id']}"
        since = snapshots.date(first["id"])
        if fields["kind"] == "absent":
            yield f"{span:>9}  {since}  {look.paint('deleted', 'red')}"
            continue
        size = units.size(fields["size"]) if fields["type"] == "file" else fields["type"]
        digest = fields.get("blake3", "")[:16]
        what = look.paint(", ".join(fields["what"]), "dim")
        modified = units.local_time(fields["mtime_ns"])
        yield f"{span:>9}  {since}  {size:>9}  modified {modified}  {digest}  {what}".rstrip()
