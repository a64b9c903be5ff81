"""Composed files: each gets a temporary file of its full length, workers write the pieces where they belong, and it
gets its name when the last piece is there. What no piece covers is never written: it stays a hole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..catalog import Catalog
from ..catalog.composed import composition, piece_rows
from ..catalog.restoring import FileRow, Selection, WantedPiece
from ..errors import DamagedError, ObjectArchived
from ..records import pack_pieces, pieces_digest
from .book import Book
from .work import CAUGHT, fatal_reason, problem_of
from .write import Decision, FileWriter

AT_ONCE = 20_000
"""Number of files that are begun together; packs that they share are read once."""


@dataclass(slots=True)
class _File:
    row: FileRow
    temporary: bytes
    waiting: int
    failure: tuple[str, str] | None = None
    shown: int = 0


class Composing:
    """The composed files in progress."""

    def __init__(self, cat: Catalog, book: Book, writer: FileWriter, archived: frozenset[int]) -> None:
        self._cat = cat
        self._book = book
        self._writer = writer
        self._archived = archived
        self._files: dict[int, _File] = {}

    def begin(self, chosen: Selection, rows: Iterable[FileRow]) -> None:
        """Create the temporary files and record in `chosen` which pieces they need."""
        for number, row in enumerate(rows):
            if self._book.stopped():
                return
            try:
                self._begin(chosen, number, row)
            except CAUGHT as error:
                self._book.fatal = self._book.fatal or fatal_reason(error)
                self._fail(row, *problem_of(error))

    def _begin(self, chosen: Selection, number: int, row: FileRow) -> None:
        decision = self._writer.decide(row)
        if decision is Decision.UNCHANGED:
            self._writer.refresh(row)
        if decision is not Decision.WRITE:
            self._book.record(row, decision.value)
            return
        self._check(row)
        fd, temporary = self._writer.create(row.key)
        try:
            os.ftruncate(fd, row.size)
        except OSError:
            self._writer.discard(row.key, temporary)
            raise
        finally:
            os.close(fd)
        file = self._files[number] = _File(row, temporary, chosen.want_pieces(number, row.content_id))
        if not file.waiting:
            self._finish(number, file)

    def _check(self, row: FileRow) -> None:
        """Raises DamagedError unless the list of pieces is the one that was recorded, ObjectArchived."""
        if pieces_digest(pack_pieces(composition(self._cat, row.content_id, row.size))) != row.list:
            raise DamagedError("its list of pieces in the catalog is damaged")
        if self._archived and any(one.object_id in self._archived for one in piece_rows(self._cat, row.content_id)):
            raise ObjectArchived("one of its objects is in the archive tier and was not thawed")

    def places(self, numbers: Iterable[int]) -> dict[int, tuple[bytes, bytes]]:
        """Keys and temporary names of these files."""
        return {number: (file.row.key, file.temporary) for number in numbers if (file := self._files.get(number))}

    def wants(self, piece: WantedPiece) -> bool:
        """Whether the piece's file can still be completed."""
        file = self._files.get(piece.file)
        if file is not None and file.failure is not None:
            self._arrived(piece)
        return file is not None and file.failure is None

    def done(self, pieces: Iterable[WantedPiece], torn: Iterable[tuple[int, str, str]]) -> None:
        """Pieces were written, except those in `torn`: (index in `pieces`, kind, text)."""
        pieces = list(pieces)
        for index, kind, text in torn:
            piece = pieces[index]
            file = self._files[piece.file]
            file.failure = file.failure or (kind, f"{text} (from byte {piece.at} on)")
        for piece in pieces:
            self._arrived(piece)

    def _arrived(self, piece: WantedPiece) -> None:
        file = self._files[piece.file]
        file.waiting -= 1
        file.shown += piece.size
        self._book.events.advance(0, piece.size)
        if not file.waiting:
            self._finish(piece.file, file)

    def _finish(self, number: int, file: _File) -> None:
        del self._files[number]
        if file.failure is None:
            try:
                fd = self._writer.reopen(file.row.key, file.temporary)
                try:
                    self._writer.finish(fd, file.row, file.temporary)
                finally:
                    os.close(fd)
            except CAUGHT as error:
                file.failure = problem_of(error)
                self._book.fatal = self._book.fatal or fatal_reason(error)
        if file.failure is None:
            self._book.record(file.row, Decision.WRITE.value)
            self._book.events.advance(1, file.row.size - file.shown)
            return
        self._writer.discard(file.row.key, file.temporary)
        self._fail(file.row, *file.failure, shown=file.shown)

    def _fail(self, row: FileRow, kind: str, text: str, *, shown: int = 0) -> None:
        self._book.fail(row, kind, text)
        self._book.events.advance(1, row.size - shown)

    def discard(self) -> None:
        """Delete incomplete files."""
        for file in self._files.values():
            self._writer.discard(file.row.key, file.temporary)
        self._files = {}
