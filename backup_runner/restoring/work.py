"""What worker processes do for a restore: fetch, open, check and write the files of one object, or a piece of one."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from blake3 import blake3

from ..catalog.restoring import FileRow, WantedPiece
from ..container import Identity
from ..contents.again import twice
from ..contents.sealed import Place, Reader, open_reader, whole
from ..errors import BackupRunnerError, DamagedError, ObjectArchived, ObjectMissing, WrongKeyError
from ..spec import Overwrite
from ..targets.base import Buffer, Target
from .attributes import Lack
from .fresh import Fresh
from .goal import STOPPING, BlockedError, Goal, explain
from .way import UnsafeKeyError
from .write import Decision, FileWriter, Hasher, write_at

FAILED = "failed"


class ObjectBatch(NamedTuple):
    """Files with contents in one object, and pieces of others, each sorted by offset; `place` is None for empty
    files. `files` are the temporary files (key, name) that the pieces go to, by number."""

    place: Place | None
    rows: Sequence[FileRow]
    pieces: Sequence[WantedPiece] = ()
    files: Mapping[int, tuple[bytes, bytes]] = MappingProxyType({})


class LargePart(NamedTuple):
    """A part of a large file of suite 1: `length` bytes at `offset` of an object go to `at` of a temporary file."""

    file: int
    number: int
    place: Place
    offset: int
    length: int
    at: int
    key: bytes
    temporary: bytes
    sparse: bool


Task = ObjectBatch | LargePart


@dataclass(slots=True)
class Result:
    """`statuses` go by row: a Decision's value or `failed`; `problems` are (row, kind, text), and
    `torn` (piece, kind, text).

    `lacking` are keys of restored files, with attributes that could not be set. `fatal` is why no
    further file can be written.
    """

    statuses: list[str] = field(default_factory=list)
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    torn: list[tuple[int, str, str]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    lacking: list[tuple[bytes, list[Lack]]] = field(default_factory=list)
    fatal: str | None = None


def problem_of(error: BackupRunnerError | OSError | UnsafeKeyError | BlockedError) -> tuple[str, str]:
    """Kind and text of the problem with one file."""
    match error:
        case OSError():
            return explain(error)
        case UnsafeKeyError():
            return "refused", str(error)
        case BlockedError():
            return "blocked", str(error)
        case DamagedError() | WrongKeyError():
            return "damaged", error.message
        case ObjectMissing():
            return "missing", error.message
        case ObjectArchived():
            return "archived", error.message
        case BackupRunnerError():
            return "unreadable", error.message


CAUGHT = (BackupRunnerError, OSError, UnsafeKeyError, BlockedError)
"""Errors that concern only one file."""


def fatal_reason(error: BaseException) -> str | None:
    """Why no further file can be written, if the error means that."""
    if isinstance(error, OSError) and error.errno in STOPPING:
        return os.strerror(error.errno or errno.ENOSPC)
    return None


class RestoreWorker:
    """Does tasks; created in each worker process."""

    def __init__(self, target: Target, identity: Identity, goal: Goal, overwrite: Overwrite) -> None:
        self._target = target
        self._identity = identity
        self._writer = FileWriter(goal, overwrite)
        self._fresh = Fresh(goal)

    def __call__(self, task: Task) -> Result:
        result = self._batch(task) if isinstance(task, ObjectBatch) else self._stretch(task)
        result.lacking = self._writer.take_lacking()
        result.notes = dict(self._writer.notes)
        self._writer.notes.clear()
        return result

    def _batch(self, batch: ObjectBatch) -> Result:
        result = Result([FAILED] * len(batch.rows))
        wanted = self._wanted(batch.rows, result)
        if not wanted and not batch.pieces:
            return result
        reader: Reader | None = None
        if batch.place is not None:
            spans = [(batch.rows[index].offset, batch.rows[index].length) for index in wanted]
            spans += [(piece.offset, piece.size) for piece in batch.pieces]
            try:
                reader = open_reader(batch.place, sorted(spans), self._target, self._identity)
            except BackupRunnerError as error:
                result.problems += [(index, *problem_of(error)) for index in wanted]
                result.torn += [(index, *problem_of(error)) for index in range(len(batch.pieces))]
                return result
        self._write_all(batch, wanted, reader, result)
        return result

    def _write_all(self, batch: ObjectBatch, wanted: list[int], reader: Reader | None, result: Result) -> None:
        """Files and pieces in the order of their bytes, so that each segment is opened once."""
        with TemporaryFiles(self._writer, batch.files) as files:
            at = 0
            for index, piece in enumerate(batch.pieces):
                upto = at
                while upto < len(wanted) and batch.rows[wanted[upto]].offset <= piece.offset:
                    upto += 1
                self._write(batch, wanted[at:upto], reader, result)
                at = upto
                if result.fatal:
                    return
                assert reader is not None
                assert batch.place is not None
                try:
                    files.put(piece, reader, batch.place.name)
                except CAUGHT as error:
                    result.torn.append((index, *problem_of(error)))
                    result.fatal = fatal_reason(error)
            self._write(batch, wanted[at:], reader, result)

    def _wanted(self, rows: Sequence[FileRow], result: Result) -> list[int]:
        """The rows whose bytes are needed; the results of the others are recorded here."""
        wanted = []
        for index, row in enumerate(rows):
            if self._fresh.takes(row):
                wanted.append(index)
                continue
            try:
                decision = self._decide(row)
            except CAUGHT as error:
                result.problems.append((index, *problem_of(error)))
                continue
            if decision is Decision.WRITE:
                wanted.append(index)
            else:
                result.statuses[index] = decision.value
        return wanted

    def _write(self, batch: ObjectBatch, wanted: list[int], reader: Reader | None, result: Result) -> None:
        content_id, failure = -1, None
        data: Buffer = b""
        for index in wanted:
            row = batch.rows[index]
            if row.content_id != content_id:
                content_id, failure = row.content_id, None
                try:
                    data = self._content(batch.place, row, reader)
                except BackupRunnerError as error:
                    failure = problem_of(error)
            if failure is not None:
                result.problems.append((index, *failure))
                continue
            try:
                result.statuses[index] = self._put(row, data)
            except CAUGHT as error:
                result.problems.append((index, *problem_of(error)))
                result.fatal = fatal_reason(error)
                if result.fatal:
                    return

    def _decide(self, row: FileRow) -> Decision:
        decision = self._writer.decide(row)
        if decision is Decision.UNCHANGED:
            self._writer.refresh(row)
        return decision

    def _put(self, row: FileRow, data: Buffer) -> str:
        """Write a checked content; the result for its row."""
        if self._fresh.takes(row):
            lacking = self._fresh.put(row, data)
            if lacking is not None:
                self._writer.note_lacking(row.key, lacking)
                return Decision.WRITE.value
            decision = self._decide(row)
            if decision is not Decision.WRITE:
                return decision.value
        self._writer.put(row, data)
        return Decision.WRITE.value

    def _content(self, place: Place | None, row: FileRow, reader: Reader | None) -> Buffer:
        """The whole content, with its hash checked; fetched again before it counts as damaged."""
        name = place.name if place else "empty file"
        try:
            return _content(row, reader, name)
        except DamagedError:
            if place is None:
                raise
        return _content(row, open_reader(place, [(row.offset, row.length)], self._target, self._identity), name)

    def _stretch(self, piece: LargePart) -> Result:
        result = Result()
        try:
            fd = self._writer.reopen(piece.key, piece.temporary)
            try:
                twice(lambda: self._copy(piece, fd))
            finally:
                os.close(fd)
        except CAUGHT as error:
            result.problems.append((0, *problem_of(error)))
            result.fatal = fatal_reason(error)
        return result

    def _copy(self, piece: LargePart, fd: int) -> None:
        reader = open_reader(piece.place, [(piece.offset, piece.length)], self._target, self._identity)
        at = piece.at
        for data in reader.stretch(piece.offset, piece.length):
            with turn(fd):
                write_at(fd, data, at, sparse=piece.sparse)
            at += len(data)


@contextmanager
def turn(fd: int) -> Iterator[None]:
    """Writers of one file spin on a lock in the kernel and keep a core busy; with this lock, they sleep."""
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


class TemporaryFiles:
    """The files that a batch's pieces go to, each opened once. The piece that was read last is kept, because files that
    share it come one after the other."""

    def __init__(self, writer: FileWriter, files: Mapping[int, tuple[bytes, bytes]]) -> None:
        self._writer = writer
        self._files = files
        self._fds: dict[int, int] = {}
        self._last: tuple[int, Buffer | BackupRunnerError] = (-1, b"")

    def __enter__(self) -> TemporaryFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._fds.values():
            os.close(fd)

    def put(self, piece: WantedPiece, reader: Reader, name: str) -> None:
        """Check the hash of one piece and write it to its position. Raises what `CAUGHT` has."""
        if self._last[0] != piece.content_id:
            self._last = (piece.content_id, _read_piece(piece, reader, name))
        data = self._last[1]
        if isinstance(data, BackupRunnerError):
            raise data
        fd = self._fds.get(piece.file)
        if fd is None:
            fd = self._fds[piece.file] = self._writer.reopen(*self._files[piece.file])
        with turn(fd):
            # Blocks of zeros within a piece become holes as well: the file already has its full length.
            write_at(fd, data, piece.at, sparse=True)


def _read_piece(piece: WantedPiece, reader: Reader, name: str) -> Buffer | BackupRunnerError:
    try:
        data = whole(reader, piece.offset, piece.size)
    except BackupRunnerError as error:
        return error
    if len(data) == piece.size and blake3(data).digest() == piece.blake3:
        return data
    return DamagedError(f"{name}: a piece does not match its recorded hash")


def _content(row: FileRow, reader: Reader | None, name: str) -> Buffer:
    """The whole content, with its hash checked. Raises ContainerError, TargetError."""
    data: Buffer = whole(reader, row.offset, row.length) if reader else b""
    hasher = Hasher(row)
    hasher.update(data)
    try:
        hasher.check()
    except DamagedError as error:
        raise DamagedError(f"{name}: {error.message}") from None
    return data
