"""Distributes the files of a restore to workers, object by object, large ones in pieces or stretches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import islice

from ..catalog import Catalog
from ..catalog.history import extents, get_object
from ..catalog.restoring import FileRow, Selection, WantedPiece
from ..contents.legacy_reader import true_size
from ..contents.sealed import READERS, Place
from ..errors import DamagedError, ObjectArchived
from ..records import Extent
from ..targets.base import Target
from ..workers.pool import Pool
from .book import Book
from .composed import AT_ONCE, Composing
from .large import LARGE, Assembly, Finished
from .way import folder_of
from .work import CAUGHT, LargePart, ObjectBatch, Result, Task, fatal_reason, problem_of
from .write import Decision, FileWriter

_BATCH_BYTES = 8 << 20
_BATCH_FILES = 2000


class Distribution:
    """Distributes the files of one restore. `archived` are ids of objects that cannot be read now."""

    def __init__(
        self,
        cat: Catalog,
        target: Target,
        book: Book,
        writer: FileWriter,
        pool: Pool[Task, Result],
        archived: frozenset[int],
        make_folders: Callable[[bytes], None],
    ) -> None:
        """`make_folders` is called with the key of a folder before something is written there."""
        self._cat = cat
        self._target = target
        self._book = book
        self._writer = writer
        self._pool = pool
        self._archived = archived
        self._make_folders = make_folders
        self._assembly = Assembly(writer)
        self._composing = Composing(cat, book, writer, archived)
        self._shown: dict[int, int] = {}

    def close(self) -> None:
        """Delete incomplete large files."""
        self._assembly.discard()
        self._composing.discard()

    def run(self, chosen: Selection, *, again: bool = False) -> None:
        """Restore the chosen files with their own data; `again`: those to which others should have been linked."""
        rows: Iterator[FileRow] = chosen.files(again=again)
        composed = chosen.composed(again=again)
        while True:
            some = list(islice(composed, AT_ONCE))
            if some:
                self._make_folders(max(folder_of(row.key) for row in some))
            self._composing.begin(chosen, some)
            self._run(self._tasks(rows, chosen.wanted_pieces()))
            chosen.clear_pieces()
            if len(some) < AT_ONCE or self._book.stopped():
                return
            rows = iter(())

    def _run(self, tasks: Iterator[Task]) -> None:
        for task, result in self._pool.run(tasks):
            self._book.notes.update(result.notes)
            self._book.lacking(result.lacking)
            self._book.fatal = self._book.fatal or result.fatal
            if isinstance(task, ObjectBatch):
                self._batch_done(task, result)
            else:
                self._piece_done(task, result)

    def _tasks(self, rows: Iterator[FileRow], pieces: Iterator[WantedPiece]) -> Iterator[Task]:
        """Files and pieces, both by object and offset: a batch is what is together in one object."""
        batch: list[FileRow | WantedPiece] = []
        size = 0
        both: Iterator[FileRow | WantedPiece] = merge(self._readable(rows), pieces, key=_place_key)
        for item in both:
            if self._book.stopped():
                return
            if isinstance(item, WantedPiece) and not self._composing.wants(item):
                continue
            if batch and (
                _kind_key(item) != _kind_key(batch[0]) or size + item.size > _BATCH_BYTES or len(batch) == _BATCH_FILES
            ):
                yield self._batch(batch)
                batch, size = [], 0
            if isinstance(item, FileRow) and (item.spread or item.size > LARGE):
                yield from self._large(item)
                continue
            batch.append(item)
            size += item.size
        if batch and not self._book.stopped():
            yield self._batch(batch)

    def _readable(self, rows: Iterator[FileRow]) -> Iterator[FileRow]:
        """The rows that can be restored, with their sizes; the results of the others are recorded."""
        for row in rows:
            if self._hopeless(row):
                continue
            if row.format == "legacy" and row.size and not row.length:
                try:
                    row = self._measured(row)
                except CAUGHT as error:
                    self._book.fail(row, *problem_of(error))
                    continue
            yield row

    def _batch(self, items: Sequence[FileRow | WantedPiece]) -> ObjectBatch:
        rows = [item for item in items if isinstance(item, FileRow)]
        pieces = [item for item in items if isinstance(item, WantedPiece)]
        first = items[0]
        if rows:
            self._make_folders(max(folder_of(row.key) for row in rows))
            self._book.events.now(rows[-1].key)
        content_format = first.format if isinstance(first, FileRow) else "container"
        place = None if first.object_id is None else Place.of(get_object(self._cat, first.object_id), content_format)
        return ObjectBatch(place, rows, pieces, self._composing.places({piece.file for piece in pieces}))

    def _hopeless(self, row: FileRow) -> bool:
        if row.object_id is None and row.size and not row.spread:
            self._book.fail(row, "missing", "the catalog has no object with its content")
        elif row.object_id in self._archived and self._must_fetch(row):
            self._book.fail(row, "archived", f"{self._name(row)} is in the archive tier and was not thawed")
        elif row.format not in READERS:
            self._book.fail(row, "unreadable", f"{self._name(row)}: contents of the unknown format {row.format}")
        else:
            return False
        return True

    def _must_fetch(self, row: FileRow) -> bool:
        """Whether the bytes are needed: what is on disk may be the same, or kept."""
        try:
            return self._writer.decide(row) is Decision.WRITE
        except CAUGHT:
            return True

    def _measured(self, row: FileRow) -> FileRow:
        """A row whose size was unknown at the import, because its object was archived."""
        size = true_size(self._target, self._name(row))
        return row._replace(size=size, length=size)

    def _name(self, row: FileRow) -> str:
        return "" if row.object_id is None else get_object(self._cat, row.object_id).name

    def _large(self, row: FileRow) -> Iterator[LargePart]:
        self._make_folders(folder_of(row.key))
        self._book.events.now(row.key)
        try:
            decision = self._writer.decide(row)
            if decision is Decision.UNCHANGED:
                self._writer.refresh(row)
            if decision is not Decision.WRITE:
                self._book.record(row, decision.value)
                return
            for piece in self._assembly.pieces(row, self._places(row)):
                yield piece
                if self._book.stopped():
                    return
        except CAUGHT as error:
            self._book.fatal = self._book.fatal or fatal_reason(error)
            self._book.fail(row, *problem_of(error))

    def _places(self, row: FileRow) -> list[tuple[Place, Extent]]:
        """Raises DamagedError, ObjectArchived."""
        found = extents(self._cat, row.content_id)
        if row.format == "legacy":
            found = [extent._replace(length=row.size) for extent in found]
        if sum(extent.length for extent in found) != row.size:
            raise DamagedError("the catalog does not have the location of all its data")
        if any(extent.object_id in self._archived for extent in found):
            raise ObjectArchived("one of its objects is in the archive tier and was not thawed")
        return [(Place.of(get_object(self._cat, extent.object_id), row.format), extent) for extent in found]

    def _batch_done(self, batch: ObjectBatch, result: Result) -> None:
        self._book.record_all(batch.rows, result.statuses)
        for index, kind, text in result.problems:
            self._book.fail(batch.rows[index], kind, text)
        self._book.events.advance(len(batch.rows), sum(row.size for row in batch.rows))
        self._composing.done(batch.pieces, result.torn)

    def _piece_done(self, piece: LargePart, result: Result) -> None:
        self._book.events.advance(0, piece.length)
        self._shown[piece.file] = self._shown.get(piece.file, 0) + piece.length
        if done := self._assembly.arrived(piece, result):
            self._large_done(done, self._shown.pop(piece.file))

    def _large_done(self, done: Finished, shown: int) -> None:
        self._book.fatal = self._book.fatal or done.fatal
        if done.problem:
            self._book.fail(done.row, *done.problem)
        else:
            self._book.record(done.row, Decision.WRITE.value)
        self._book.events.advance(1, done.row.size - shown)


def _kind_key(item: FileRow | WantedPiece) -> tuple[int | None, str]:
    """What all items of a batch share."""
    return item.object_id, item.format if isinstance(item, FileRow) else "container"


def _place_key(item: FileRow | WantedPiece) -> tuple[int, int]:
    return item.object_id or 0, item.offset
