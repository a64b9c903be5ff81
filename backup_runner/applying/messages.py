"""Messages between the main process and workers. Plain tuples for frequent ones: named ones cost more to send."""

from __future__ import annotations

from typing import NamedTuple

from ..records import Composed, NewObject, Placed
from ..source.reading import FileRead


class Asked(NamedTuple):
    """A file to store. `anew`: upload it even if it is stored already. `size` is that of the plan, in bytes."""

    number: int
    key: bytes
    anew: bool
    size: int = 0


class FileTask(NamedTuple):
    """Files to store; no more than one of them is large."""

    files: list[Asked]


class Flush(NamedTuple):
    """Upload the open pack; done when everything is in the bucket."""


class Handed(NamedTuple):
    """This many encrypted bytes are ready: they wait for the bucket, and for the limit if there is one."""

    size: int


class Report(NamedTuple):
    """What a worker completed since its last report: a pack in the bucket, or none.

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
    """Of these, bytes that need no upload: they are in the bucket, or another worker uploads them. Negative if a file
    that changed was read again: that much more must be uploaded than expected."""
    undone: tuple[int, int, int]
    """Large files that were interrupted, with the pieces and bytes read of them."""

    def placed_contents(self) -> list[Placed]:
        return [Placed(*fields) for fields in self.placed]

    def composed_contents(self) -> list[Composed]:
        return [Composed(*fields) for fields in self.composed]

    def files_read(self) -> list[tuple[int, FileRead]]:
        return [(number, FileRead(*fields)) for number, fields in self.files]  # type: ignore[arg-type]
