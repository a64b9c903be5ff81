"""The rows of the page's list, packed so that a page with a hundred thousand of them is small and opens quickly."""

from __future__ import annotations

import os
from dataclasses import dataclass
from heapq import heappush, heapreplace
from typing import Any

import orjson

MOST_ROWS = 250_000
"""More rows than this make a browser slow; the most important ones stay."""


@dataclass(frozen=True, slots=True)
class RowKind:
    """A kind of row: its `name`, the sign and tone it is shown with; a lower `rank` is more important."""

    name: str
    sign: str
    tone: str
    rank: int


class Rows:
    """Collects rows. Of more than `most`, those of the most important kinds stay, then the largest."""

    def __init__(self, kinds: list[RowKind], *, most: int = MOST_ROWS) -> None:
        self.kinds = kinds
        self.total = 0
        self._most = most
        self._index = {kind.name: at for at, kind in enumerate(kinds)}
        self._whys: dict[str, int] = {}
        self._heap: list[tuple[int, int, int, str, int, int]] = []

    def add(self, kind: str, path: str, size: int, why: str) -> None:
        """Add one row; `path` is printable, `size` in bytes."""
        at = self._index[kind]
        reason = self._whys.setdefault(why, len(self._whys))
        row = (-self.kinds[at].rank, size, -self.total, path, at, reason)
        self.total += 1
        if len(self._heap) < self._most:
            heappush(self._heap, row)
        elif row > self._heap[0]:
            heapreplace(self._heap, row)

    @property
    def kept(self) -> int:
        return len(self._heap)

    def packed(self) -> str:
        """JSON for a script element: columns, and of each path only what differs from the one before."""
        shared, ends, sizes, kinds, whys = [], [], [], [], []
        before = ""
        for _, size, _, path, kind, why in sorted(self._heap, key=lambda row: row[3]):
            common = os.path.commonprefix((before, path))  # noqa: RUF071 - characters are meant
            # JavaScript counts two for a character beyond the basic plane.
            shared.append(len(common.encode("utf-16-le")) // 2)
            ends.append(path[len(common) :])
            sizes.append(size)
            kinds.append(kind)
            whys.append(why)
            before = path
        columns: dict[str, Any] = {"shared": shared, "ends": ends, "sizes": sizes, "kind": kinds, "why": whys}
        columns |= {"whys": list(self._whys), "kinds": [[one.name, one.sign, one.tone] for one in self.kinds]}
        # "<" could end the script element, and U+2028 is not what it seems in scripts.
        return orjson.dumps(columns).decode().replace("<", "\\u003c").replace("\u2028", "\\u2028")
