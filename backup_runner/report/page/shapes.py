"""Charts of the page: a treemap of folders, what grows, and the snapshots as bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import squarify

from ...moments import local_text
from .. import escape, units
from ..folders import FolderTree

_TILES = 28
_WIDE, _NARROW = (1.25, 1.0), (1.0, 1.05)
"""Width and height of the treemap's two shapes, for screens and phones."""
_GROWING = 9
_SMALLEST = 1_000_000
"""The minimum share of all bytes for a tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A folder in the treemap; `wide` and `narrow` are left, top, width and height in percent."""

    name: str
    find: str
    """What to search for to see its files."""
    size: str
    files: str
    share: float
    wide: tuple[float, ...]
    narrow: tuple[float, ...]

    @property
    def leaf(self) -> str:
        """The folder's own name, for places too small for the path."""
        return self.name[len(self.above) :]

    @property
    def above(self) -> str:
        """Its parent folders."""
        return self.find.rstrip("/").rpartition("/")[0] + "/" if "/" in self.find.rstrip("/") else ""


def tiles(tree: FolderTree) -> list[Tile]:
    """The largest folders; none if there are no bytes."""
    sums = tree.largest(_TILES) if tree.used else []
    # Invisibly small ones would be rectangles without width, which divides by zero.
    least = sum(item.size for item in sums) / _SMALLEST
    sums = sorted((item for item in sums if item.size > least), key=lambda item: -item.size)
    if not sums:
        return []
    sizes = [item.size for item in sums]
    total = sum(sizes)
    shapes = [_layout(sizes, *shape) for shape in (_WIDE, _NARROW)]
    return [
        Tile(
            escape.name(item.folder) + (" (others)" if item.rest else "") if item.folder else "at the top",
            escape.name(item.folder) if item.folder else "",
            units.size(item.size),
            units.count(item.files, "file"),
            item.size / total,
            wide,
            narrow,
        )
        for item, wide, narrow in zip(sums, *shapes, strict=True)
    ]


def _layout(sizes: Sequence[int], width: float, height: float) -> list[tuple[float, ...]]:
    """Rectangles in percent of the whole (Bruls, Huizing, van Wijk: Squarified Treemaps)."""
    found = squarify.squarify(squarify.normalize_sizes(sizes, width, height), 0, 0, width, height)
    return [
        tuple(round(100 * part, 3) for part in (r["x"] / width, r["y"] / height, r["dx"] / width, r["dy"] / height))
        for r in found
    ]


class Growth:
    """Bytes that come, change and go, by folder."""

    def __init__(self) -> None:
        self._sums: dict[str, list[int]] = {}

    def add(self, key: bytes, *, came: int = 0, changed: int = 0, went: int = 0) -> None:
        """Count a file at a stored path."""
        folder = b"/".join(key.split(b"/")[:-1][:2])
        sums = self._sums.setdefault(escape.name(folder + b"/") if folder else "at the top", [0, 0, 0])
        for at, number in enumerate((came, changed, went)):
            sums[at] += number

    def table(self) -> list[dict[str, Any]]:
        """The folders with the most movement: name, sums as text, and bars in percent of the largest."""
        sums = self._sums if len(self._sums) <= 40 else _first_level(self._sums)
        ranked = sorted(sums.items(), key=lambda item: (-abs(item[1][0] - item[1][2]), -sum(item[1]), item[0]))
        ranked = [item for item in ranked if sum(item[1])][:_GROWING]
        most = max((sum(numbers) for _, numbers in ranked), default=1)
        return [
            {
                "name": name,
                "net": _signed(came - went),
                "parts": [
                    {"what": what, "size": units.size(number), "percent": round(100 * number / most, 2)}
                    for what, number in (("new", came), ("changed", changed), ("gone", went))
                    if number
                ],
            }
            for name, (came, changed, went) in ranked
        ]


def _first_level(sums: Mapping[str, list[int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, numbers in sums.items():
        top = name.split("/")[0] + "/" if "/" in name else name
        found[top] = [old + new for old, new in zip(found.get(top, [0, 0, 0]), numbers, strict=True)]
    return found


def _signed(number: int) -> str:
    return f"{'+' if number > 0 else '−' if number < 0 else '±'}{units.size(abs(number))}"


def charts(history: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Bars for each snapshot: how large it is, and what it added to the bucket. `history` is as plans have it."""
    snapshots = list(history)
    if not snapshots:
        return []
    return [
        bars(snapshots, "bytes", "Size of each snapshot"),
        bars(snapshots, "stored_bytes", "Newly stored by each"),
    ]


def bars(snapshots: Sequence[Mapping[str, Any]], name: str, title: str) -> dict[str, Any]:
    """One chart: a bar for each snapshot, as high as its total of this name."""
    numbers = [int(one["totals"].get(name, 0)) for one in snapshots]
    most = max(numbers) or 1
    seconds = Counter(one["scanned_ns"] // 10**9 for one in snapshots)
    bars = [
        {
            "label": f"{one['id']}, {local_text(one['scanned_ns'], exact=seconds[one['scanned_ns'] // 10**9] > 1)}",
            "size": units.size(number),
            "status": one["status"],
            "percent": round(100 * number / most, 2),
        }
        for one, number in zip(snapshots, numbers, strict=True)
    ]
    return {
        "title": title,
        "most": units.size(max(numbers)),
        "last": units.size(numbers[-1]),
        "bars": bars,
        "from": units.local_time(snapshots[0]["scanned_ns"])[:10],
        "to": units.local_time(snapshots[-1]["scanned_ns"])[:10],
    }
