"""A job's history as a page: its newest snapshot, what changed in it, and earlier snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from ...records import Kind
from .. import escape, units
from ..folders import FolderTree
from .render import Page
from .rows import RowKind, Rows
from .shapes import Growth, bars, charts, tiles

if TYPE_CHECKING:
    from ...catalog.browsing import Difference, PathVersion
    from ...catalog.database import Snapshot
    from ...catalog.sizing import Sizes

_KINDS = [
    RowKind("removed", "−", "gone", 0),
    RowKind("changed", "~", "changed", 1),
    RowKind("added", "+", "new", 1),
    RowKind("touched", "·", "quiet", 2),
]
_BARS = 120


def history_page(
    job: str,
    target: str,
    snapshots: Sequence[Snapshot],
    pair: tuple[Snapshot, Snapshot | None],
    files: Iterable[PathVersion],
    changes: Iterable[Difference],
    sizes: Sizes,
) -> Page:
    """`pair` is the newest snapshot and the one before; `files` are those of the former, `changes` the differences."""
    newest, before = pair
    tree, number, size = FolderTree(), 0, 0
    for version in files:
        if version.kind != Kind.DIRECTORY:
            tree.add(version.key, version.size)
            number += 1
            size += version.size
    rows, growth = Rows(_KINDS), Growth()
    for item in changes:
        _add(item, rows, growth)
    return Page(
        title=f"Report: {job}",
        heading=job,
        headline=f"Snapshot {newest.id} of {newest.date_text} has {units.count(number, 'file')}, {units.size(size)}.",
        facts=[("at", escape.one_line(target)), ("snapshots", units.count(len(snapshots)))],
        rows=rows,
        list_title=f"What changed since snapshot {before.id}" if before else "What it has",
        figures=_figures(snapshots, number, size, sizes),
        map_title=f"Bytes of snapshot {newest.id}, by folder",
        tiles=tiles(tree),
        growth=growth.table(),
        charts=charts(
            {"id": one.id, "scanned_ns": one.scanned_ns, "status": one.status, "totals": orjson.loads(one.totals)}
            for one in snapshots[-_BARS:]
        )
        + _kept(sizes),
    )


def _add(item: Difference, rows: Rows, growth: Growth) -> None:
    old = item.before.size if item.before else 0
    new = item.after.size if item.after else 0
    why = ", ".join(item.what) or item.change
    rows.add(item.change, escape.name(item.key), new if item.after else old, why)
    if item.is_folder:
        return
    if item.before is None:
        growth.add(item.key, came=new)
    elif item.after is None:
        growth.add(item.key, went=old)
    elif item.change == "changed":
        growth.add(item.key, came=max(0, new - old), changed=min(old, new), went=max(0, old - new))


def _kept(sizes: Sizes) -> list[dict[str, Any]]:
    """Of what is stored now: how much was there by each snapshot, and how much of each snapshot was new."""
    steps = [
        {"id": one.id, "scanned_ns": one.scanned_ns, "status": one.status, "totals": {"kept": one.kept, "new": one.new}}
        for one in sizes.steps[-_BARS:]
    ]
    if not steps:
        return []
    return [
        bars(steps, "kept", "Of what is stored now, there by then"),
        bars(steps, "new", "New in each, uncompressed"),
    ]


def _ratio(number: float | None) -> str:
    return f"{number:.2f} : 1" if number else "-"


def _figures(snapshots: Sequence[Snapshot], number: int, size: int, sizes: Sizes) -> list[tuple[str, str, str]]:
    totals = [orjson.loads(one.totals) for one in snapshots]
    partial = sum(one.status != "complete" for one in snapshots)
    problems = int(totals[-1].get("problems", 0)) if totals else 0
    return [
        ("files", units.count(number), units.size(size)),
        ("snapshots", units.count(len(snapshots)), f"{units.count(partial)} not complete"),
        ("stored", units.size(sizes.object_bytes), f"{units.size(sizes.unused_bytes)} unused"),
        ("deduplicated", _ratio(sizes.deduplication), f"{units.size(sizes.version_bytes)} of files"),
        ("compressed", _ratio(sizes.compression), f"{units.size(sizes.object_plain)} before"),
        ("problems", units.count(problems), "in the newest"),
    ]
