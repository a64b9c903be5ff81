"""What worker processes do for a restore: fetch, open, check and write the files of one object, or a piece of one."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from ..catalog.restoring import FileRow
from ..container.keys import Keyring
from ..contents.again import twice
from ..contents.sealed import Place, Reader, open_reader
from ..errors import BackupRunnerError, DamagedError, ObjectArchived, ObjectMissing, WrongKeyError
from ..spec import Overwrite
from ..targets.base import Target
from .goal import STOPPING, BlockedError, Goal, explain
from .way import UnsafeKeyError
from .write import Decision, Hasher, Writer, write_at

FAILED = "failed"


class Batch(NamedTuple):
    """Files whose contents lie in one object, sorted by offset; `place` is None for files of 0 bytes."""

    place: Place | None
    rows: Sequence[FileRow]


class Piece(NamedTuple):
    """A stretch of a large file: `length` bytes at `offset` of an object go to `at` of a temporary file."""

    file: int
    number: int
    place: Place
    offset: int
    length: int
    at: int
    key: bytes
    temporary: bytes
    sparse: bool


Task = Batch | Piece


@dataclass(slots=True)
class Result:
    """`statuses` go by row: a Decision's value or `failed`; `problems` are (row, kind, text).

    `lacking` are keys of files that are in place, with what could not be set of their attributes. `fatal` is why no
    further file can be written.
    """

    statuses: list[str] = field(default_factory=list)
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    lacking: list[tuple[bytes, str]] = field(default_factory=list)
    fatal: str | None = None


def problem_of(error: BackupRunnerError | OSError | UnsafeKeyError | BlockedError) -> tuple[str, str]:
    """Kind and text of what kept one file from coming back."""
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
"""What may go wrong with one file and leaves the others alone."""


def fatal_reason(error: BaseException) -> str | None:
    """Why no further file can be written, if that is what the error says."""
    if isinstance(error, OSError) and error.errno in STOPPING:
        return os.strerror(error.errno or errno.ENOSPC)
    return None


class Worker:
    """Does tasks; made anew in each worker process."""

    def __init__(self, target: Target, keyring: Keyring, goal: Goal, overwrite: Overwrite) -> None:
        self._target = target
        self._keyring = keyring
        self._writer = Writer(goal, overwrite)

    def __call__(self, task: Task) -> Result:
        result = self._batch(task) if isinstance(task, Batch) else self._piece(task)
        result.lacking = self._writer.take_lacking()
        result.notes = dict(self._writer.notes)
        self._writer.notes.clear()
        return result

    def _batch(self, batch: Batch) -> Result:
        result = Result([FAILED] * len(batch.rows))
        wanted = self._wanted(batch.rows, result)
        if not wanted:
            return result
        reader: Reader | None = None
        if batch.place is not None:
            spans = [(batch.rows[index].offset, batch.rows[index].length) for index in wanted]
            try:
                reader = open_reader(batch.place, spans, self._target, self._keyring)
            except BackupRunnerError as error:
                result.problems += [(index, *problem_of(error)) for index in wanted]
                return result
        self._write(batch, wanted, reader, result)
        return result

    def _wanted(self, rows: Sequence[FileRow], result: Result) -> list[int]:
        """The rows whose bytes are needed; the others are settled here."""
        wanted = []
        for index, row in enumerate(rows):
            try:
                decision = self._writer.decide(row)
                if decision is Decision.UNCHANGED:
                    self._writer.refresh(row)
            except CAUGHT as error:
                result.problems.append((index, *problem_of(error)))
                continue
            if decision is Decision.WRITE:
                wanted.append(index)
            else:
                result.statuses[index] = decision.value
        return wanted

    def _write(self, batch: Batch, wanted: list[int], reader: Reader | None, result: Result) -> None:
        content_id, data, failure = -1, b"", None
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
                self._writer.put(row, data)
            except CAUGHT as error:
                result.problems.append((index, *problem_of(error)))
                result.fatal = fatal_reason(error)
                if result.fatal:
                    return
                continue
            result.statuses[index] = Decision.WRITE.value

    def _content(self, place: Place | None, row: FileRow, reader: Reader | None) -> bytes:
        """The whole content, its hash compared; fetched anew before it is called damaged."""
        name = place.name if place else "empty file"
        try:
            return _content(row, reader, name)
        except DamagedError:
            if place is None:
                raise
        return _content(row, open_reader(place, [(row.offset, row.length)], self._target, self._keyring), name)

    def _piece(self, piece: Piece) -> Result:
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

    def _copy(self, piece: Piece, fd: int) -> None:
        reader = open_reader(piece.place, [(piece.offset, piece.length)], self._target, self._keyring)
        at = piece.at
        for data in reader.stretch(piece.offset, piece.length):
            with _turn(fd):
                write_at(fd, data, at, sparse=piece.sparse)
            at += len(data)


@contextmanager
def _turn(fd: int) -> Iterator[None]:
    """Writers of one file wait for each other in the kernel, and keep a core busy with it; a lock lets them sleep."""
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX)
    yield
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _content(row: FileRow, reader: Reader | None, name: str) -> bytes:
    """The whole content, its hash compared. Raises ContainerError, TargetError."""
    data = b"".join(reader.stretch(row.offset, row.length)) if reader else b""
    hasher = Hasher(row)
    hasher.update(data)
    try:
        hasher.check()
    except DamagedError as error:
        raise DamagedError(f"{name}: {error.message}") from None
    return data
