"""Sums many files by folder in bounded memory, and picks the most significant folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_FOLDERS = 8192
_DEEPEST = 64
"""Folders further down count for the one above them: each takes the bytes of its whole path."""


@dataclass(frozen=True, slots=True)
class FolderSum:
    """Files and bytes below a folder; `rest`: those not covered by a line of their own."""

    folder: bytes
    files: int
    size: int
    rest: bool = False

    @property
    def weight(self) -> tuple[int, int]:
        return self.size, self.files


@dataclass(slots=True)
class _Node:
    files: int = 0
    size: int = 0
    children: set[bytes] = field(default_factory=set)


class FolderTree:
    """Sums by folder. Beyond some thousand folders the deepest are merged into their parents."""

    def __init__(self) -> None:
        self._sums: dict[bytes, tuple[int, int]] = {}
        self._depth = _DEEPEST

    def add(self, key: bytes, size: int) -> None:
        """Count the file at stored path `key`."""
        folder = _cut(key[: key.rfind(b"/") + 1], self._depth)
        files, total = self._sums.get(folder, (0, 0))
        self._sums[folder] = (files + 1, total + size)
        if len(self._sums) > _MOST_FOLDERS:
            self._coarsen()

    @property
    def used(self) -> bool:
        """Whether any file was counted."""
        return bool(self._sums)

    def _coarsen(self) -> None:
        depth = max(folder.count(b"/") for folder in self._sums)
        while len(self._sums) > _MOST_FOLDERS // 2:
            depth -= 1
            coarse: dict[bytes, tuple[int, int]] = {}
            for folder, (files, size) in self._sums.items():
                short = _cut(folder, depth)
                had = coarse.get(short, (0, 0))
                coarse[short] = (had[0] + files, had[1] + size)
            self._sums = coarse
        self._depth = depth

    def largest(self, limit: int) -> list[FolderSum]:
        """At most `limit` lines that add up to the total, largest first."""
        nodes = self._nodes()
        done: list[FolderSum] = []
        open_: list[FolderSum] = [FolderSum(b"", nodes[b""].files, nodes[b""].size)]
        while open_:
            heaviest = max(open_, key=lambda item: item.weight)
            open_.remove(heaviest)
            room = limit - len(open_) - len(done)
            parts = list(_split(heaviest, nodes, room))
            if not parts:
                done.append(heaviest)
                continue
            open_ += [part for part in parts if not part.rest]
            done += [part for part in parts if part.rest]
        return sorted(done, key=lambda item: (item.rest, -item.size, -item.files, item.folder))

    def _nodes(self) -> dict[bytes, _Node]:
        nodes = {b"": _Node()}
        for folder, (files, size) in self._sums.items():
            child = None
            while True:
                node = nodes.setdefault(folder, _Node())
                node.files += files
                node.size += size
                if child is not None:
                    node.children.add(child)
                if not folder:
                    break
                child, folder = folder, _parent(folder)
        return nodes


def _split(item: FolderSum, nodes: dict[bytes, _Node], room: int) -> Iterator[FolderSum]:
    """A folder as its largest subfolders and the rest, in at most `room` lines; empty if that adds no information."""
    children = sorted(
        (FolderSum(child, nodes[child].files, nodes[child].size) for child in nodes[item.folder].children),
        key=lambda child: child.weight,
        reverse=True,
    )
    if not children or room < 2:
        return
    direct = item.files - sum(child.files for child in children)
    fits = len(children) + bool(direct) <= room
    named = children if fits else children[: room - 1]
    # A split with most of it in "the rest" is less informative than the folder's own line.
    if not fits and sum(child.size for child in named) * 2 < item.size and item.folder:
        return
    yield from named
    files = item.files - sum(child.files for child in named)
    if files:
        yield FolderSum(item.folder, files, item.size - sum(child.size for child in named), rest=True)


def _parent(folder: bytes) -> bytes:
    return folder[: folder.rfind(b"/", 0, -1) + 1]


def _cut(folder: bytes, depth: int) -> bytes:
    parts = folder.split(b"/", depth)
    return folder if len(parts) <= depth else b"/".join(parts[:depth]) + (b"/" if depth else b"")
