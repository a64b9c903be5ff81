"""What main process and workers say to each other. Plain tuples where there are many: named ones cost more to send."""

from __future__ import annotations

from typing import NamedTuple

from ..records import Composed, NewObject, Placed
from ..source.reading import FileRead


class Asked(NamedTuple):
    """A file to store. `anew`: also what is in the bucket already. `size` is what it was when the plan was made."""

    number: int
    key: bytes
    anew: bool
    size: int = 0


class Files(NamedTuple):
    """Files to store; no more than one of them is large."""

    files: list[Asked]


class Flush(NamedTuple):
    """Put the pack that is open, and be done when everything is in the bucket."""


class Handed(NamedTuple):
    """So many sealed bytes are ready to be put: they wait for the bucket, and for the limit if there is one."""

    size: int


class Report(NamedTuple):
    """What a worker got done since its last report: a pack that is in the bucket, or none.

    `placed` is in that pack. Contents and pieces that `files` and `composed` refer to besides are in packs of any
    worker, which may be reported later. `files` are (number, the fields of a `FileRead`), `failed` are (number, errno,
    text)."""

    new: NewObject | None
    placed: list[tuple[int, int, bytes, bytes | None]]
    composed: list[tuple[int, bytes, bytes | None, bytes]]
    files: list[tuple[int, tuple[object, ...]]]
    failed: list[tuple[int, int, str]]
    read: int
    """Bytes read."""
    known: int
    """Of these, bytes that need not be put: they are in the bucket, or another worker puts them. Below 0 where a file
    that moved was read again: that much more is to be put than was foreseen."""
    undone: tuple[int, int, int]
    """Large files left undone because the run stops, and the pieces and bytes read of them."""

    def placed_contents(self) -> list[Placed]:
        return [Placed(*fields) for fields in self.placed]

    def composed_contents(self) -> list[Composed]:
        return [Composed(*fields) for fields in self.composed]

    def files_read(self) -> list[tuple[int, FileRead]]:
        return [(number, FileRead(*fields)) for number, fields in self.files]  # type: ignore[arg-type]
