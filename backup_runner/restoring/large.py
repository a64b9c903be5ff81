"""Large files of suite 1: split for all workers, hashed in order as the parts arrive, renamed when complete."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from ..catalog.restoring import FileRow
from ..contents.sealed import MERGE, Place
from ..errors import DamagedError
from ..records import Extent, Flag
from .work import CAUGHT, LargePart, Result, fatal_reason, problem_of
from .write import FileWriter, Hasher

LARGE = 16 << 20
"""Files of more bytes than this are split over workers."""
_CHUNK = 1 << 20


@dataclass(slots=True)
class _File:
    row: FileRow
    fd: int
    temporary: bytes
    hasher: Hasher
    spans: list[tuple[int, int]]
    """Where each piece is in the file: offset and length, bytes."""
    arrived: set[int] = field(default_factory=set)
    hashed: int = 0
    waiting: int = 0
    sent: int = 0
    failure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished large file: restored, unless there is a `problem` (kind, text)."""

    row: FileRow
    problem: tuple[str, str] | None
    fatal: str | None = None


class Assembly:
    """The large files in progress."""

    def __init__(self, writer: FileWriter) -> None:
        self._writer = writer
        self._files: dict[int, _File] = {}
        self._numbers = count()

    def pieces(self, row: FileRow, places: Sequence[tuple[Place, Extent]]) -> Iterator[LargePart]:
        """Create a temporary file and yield the parts it needs. Raises OSError, UnsafeKeyError at the first."""
        fd, temporary = self._writer.create(row.key)
        number = next(self._numbers)
        file = self._files[number] = _File(row, fd, temporary, Hasher(row), [])
        os.ftruncate(fd, row.size)
        plan = list(_cut(places))
        file.spans = [(at, length) for _, _, at, length in plan]
        sparse = bool(row.flags & Flag.SPARSE)
        for index, (place, offset, at, length) in enumerate(plan):
            if file.failure:
                return
            file.sent += 1
            file.waiting += 1
            yield LargePart(number, index, place, offset, length, at, row.key, temporary, sparse)

    def arrived(self, piece: LargePart, result: Result) -> Finished | None:
        """Record a part; returns the result if it completes the file."""
        file = self._files[piece.file]
        file.waiting -= 1
        file.arrived.add(piece.number)
        if result.problems and not file.failure:
            file.failure = result.problems[0][1:]
        if not file.failure:
            self._hash(file)
        if file.waiting or (file.sent < len(file.spans) and not file.failure):
            return None
        del self._files[piece.file]
        return self._finish(file, result.fatal)

    def discard(self) -> None:
        """Delete incomplete files."""
        for file in self._files.values():
            self._drop(file)
        self._files = {}

    def _hash(self, file: _File) -> None:
        while file.hashed in file.arrived:
            at, length = file.spans[file.hashed]
            file.arrived.discard(file.hashed)
            file.hashed += 1
            for start in range(at, at + length, _CHUNK):
                file.hasher.update(os.pread(file.fd, min(_CHUNK, at + length - start), start))

    def _finish(self, file: _File, fatal: str | None) -> Finished:
        try:
            if not file.failure:
                file.hasher.check()
                self._writer.finish(file.fd, file.row, file.temporary)
                os.close(file.fd)
                return Finished(file.row, None)
        except DamagedError as error:
            file.failure = ("damaged", error.message)
        except CAUGHT as error:
            file.failure, fatal = problem_of(error), fatal_reason(error)
        self._drop(file)
        return Finished(file.row, file.failure, fatal)

    def _drop(self, file: _File) -> None:
        os.close(file.fd)
        self._writer.discard(file.row.key, file.temporary)


def _cut(places: Sequence[tuple[Place, Extent]]) -> Iterator[tuple[Place, int, int, int]]:
    """Place, offset in its stream, offset in the file, length; split at objects and segment borders."""
    at = 0
    for place, extent in places:
        # In the other format, the MD5 covers the whole object, so parts cannot be checked separately.
        step = max(extent.length, 1) if place.format == "legacy" else MERGE
        for start in range(0, extent.length, step):
            length = min(step, extent.length - start)
            yield place, extent.offset + start, at, length
            at += length
