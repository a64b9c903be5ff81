"""Bring files back: folders first, then files object by object, hard links, symlinks, and folders' modes last.

A content gets its final name only once its hash was compared; a file that cannot come back is named, and the others do.
"""

from __future__ import annotations

import os
import pickle
import time
from functools import partial

from ..catalog import Catalog
from ..catalog.database import Store
from ..catalog.restoring import FileRow, PlainRow, Selection
from ..errors import BackupRunnerError
from ..foreign import describe
from ..progress import Events, RestoreOutcome
from ..repository.session import Session
from ..targets.opening import crew, divided
from ..workers.pool import Pool
from .book import Book, RestoreOptions
from .files import Files
from .goal import Goal
from .select import choose_paths, choose_snapshot
from .thaw import look_at_archive
from .work import CAUGHT, Result, Task, Worker, problem_of
from .write import Decision, Writer

__all__ = ["RestoreOptions", "restore"]

_INLINE_BYTES = 8 << 20
_INLINE_FILES = 300
"""Up to so much, starting processes takes longer than doing it here."""


def restore(session: Session, options: RestoreOptions, events: Events) -> RestoreOutcome:
    """Restore files of one snapshot; each that did not come back is in the outcome's problems.

    Raises CatalogError (no such job or snapshot), WrongKeyError (nothing was written), BackupRunnerError (a path that
    stands for nothing, a full disk).
    """
    started = time.monotonic()
    cat, store, job_id = session.need_store()
    snapshot, note = choose_snapshot(cat, job_id, options.at)
    outcome = RestoreOutcome(
        snapshot_id=snapshot.id, snapshot_time_ns=snapshot.scanned_ns, snapshot_date=snapshot.date_text
    )
    if note:
        outcome.notes.append(note)
    selection = Selection(cat, job_id, snapshot.id)
    try:
        choose_paths(cat, selection, (job_id, snapshot.id), options.paths, session.job.base)
        selection.settle_links()
        book = Book(options, events, outcome)
        goal = options.to if options.to is not None else session.job.base or b"/"
        if options.dry_run:
            _look(selection, book, goal)
        else:
            _restore(session, store, cat, selection, book, goal)
    finally:
        selection.close()
    outcome.seconds = time.monotonic() - started
    return outcome


def _restore(session: Session, store: Store, cat: Catalog, chosen: Selection, book: Book, path: bytes) -> None:
    keyring = session.check_key(store)
    session.check_place(store)
    # Worker processes find the result; without this each would run scrypt itself.
    keyring.stretch(store.salt)
    options, totals = book.options, chosen.totals()
    frozen = look_at_archive(session.target, store.lineage, chosen, options)
    book.outcome.pending_thaw = frozen.pending
    book.outcome.notes += frozen.notes
    goal = _open_goal(path, new=options.to is not None)
    small = totals.size <= _INLINE_BYTES and totals.files <= _INLINE_FILES
    workers = 0 if small else crew(session.target, options.workers or os.cpu_count() or 1)
    target = pickle.dumps(divided(session.target, max(1, workers)))
    pool = Pool[Task, Result](
        workers,
        lambda: Worker(
            pickle.loads(target),  # noqa: S301 - our own bytes, pickled above
            keyring,
            goal if small else goal.again(),
            options.overwrite,
        ),
    )
    writer = Writer(goal, options.overwrite)
    # Sources that are files have no folders in the snapshot; one-shot commands' jobs do not say what theirs were.
    loose = not session.job.sources or any(not s.key.endswith(b"/") and s.key for s in session.job.sources)
    tree = _Tree(chosen, book, writer, parents=bool(options.paths) or loose)
    files = Files(cat, session.target, book, writer, pool, frozen.ids)
    try:
        book.events.phase("restoring", files=totals.files + totals.symlinks, size=totals.size)
        tree.make_folders()
        files.run(chosen.files())
        tree.links()
        files.run(chosen.files(again=True))
        tree.symlinks()
    finally:
        pool.close()
        files.close()
        tree.finish_folders()
        goal.close()
        book.notes.update(writer.notes)
        book.conclude()
    if book.fatal:
        raise BackupRunnerError(
            f"cannot write to {os.fsdecode(path)}: {book.fatal}; {book.counts['restored']} files were restored before",
            hint="make room there, or restore --to another place; what is restored already is not fetched again",
        )


def _open_goal(path: bytes, *, new: bool) -> Goal:
    """The folder to restore to, made first if it may be `new`. Raises BackupRunnerError."""
    try:
        if new:
            os.makedirs(path, exist_ok=True)
        return Goal.open(path)
    except OSError as error:
        raise BackupRunnerError(
            f"cannot restore to {os.fsdecode(path)}: {describe(error)}",
            hint="make that folder, or give another one with --to DIR",
        ) from None


def _look(chosen: Selection, book: Book, path: bytes) -> None:
    """What a restore would do; neither the bucket's data nor the goal is touched."""
    try:
        goal = Goal.open(path)
    except FileNotFoundError:
        goal = None
    writer = Writer(goal, book.options.overwrite) if goal else None
    for row in chosen.files():
        _would(row, book, writer, Decision.WRITE.value)
    for _, row in chosen.links():
        _would(row, book, writer, "linked")
    totals = chosen.totals()
    book.counts["folders"], book.counts["symlinks"] = totals.folders, totals.symlinks
    if goal:
        goal.close()
    book.conclude()


def _would(row: FileRow, book: Book, writer: Writer | None, word: str) -> None:
    decision = Decision.WRITE
    try:
        decision = writer.decide(row) if writer else decision
    except FileNotFoundError:
        pass
    except CAUGHT as error:
        book.problem(row.key, *problem_of(error))
        return
    book.settle(row, word if decision is Decision.WRITE else decision.value)


class _Tree:
    """All of a restore but the files' bytes: folders, hard links, symlinks."""

    def __init__(self, chosen: Selection, book: Book, writer: Writer, *, parents: bool) -> None:
        self._parents = parents
        self._chosen = chosen
        self._book = book
        self._writer = writer

    def make_folders(self) -> None:
        for row in self._chosen.folders():
            if row.key and not self._book.stopped():
                self._book.attempt(row.key, partial(self._make_folder, row.key))
        last = b""
        for key in self._chosen.all_keys() if self._parents else ():
            # Folders that were not chosen, on the way to files that were.
            head, slash, _ = key.removesuffix(b"/").rpartition(b"/")
            if head != last:
                last = head
                self._book.attempt_quietly("a folder could not be made", partial(self._make_parents, head + slash))

    def _make_folder(self, key: bytes) -> None:
        try:
            self._writer.goal.make_folder(key)
        except FileNotFoundError:
            head, slash, _ = key.removesuffix(b"/").rpartition(b"/")
            self._make_parents(head + slash)
            self._writer.goal.make_folder(key)

    def _make_parents(self, key: bytes) -> None:
        for made in self._writer.goal.make_folders(key, self._chosen.has):
            # They get their own mode and time with the others, if the snapshot knows them.
            self._chosen.add_key(made)

    def finish_folders(self) -> None:
        for row in self._chosen.folders_deepest_first():
            what = "a folder's mode, owner or times could not be set"
            if self._book.stopped() and not self._writer.goal.has_folder(row.key):
                continue
            if self._book.attempt_quietly(what, partial(self._writer.finish_folder, row)):
                self._book.counts["folders"] += 1

    def links(self) -> None:
        # What is in the first one's place is not this content, so the others cannot be links of it.
        self._chosen.unlink(self._book.absent)
        for first, row in self._chosen.links():
            if self._book.stopped():
                return
            self._book.attempt(row.key, partial(self._link, first, row))

    def _link(self, first: bytes, row: FileRow) -> None:
        decision = self._writer.link(first, row)
        self._book.settle(row, "linked" if decision is Decision.WRITE else decision.value)
        self._book.events.advance(1, row.size)

    def symlinks(self) -> None:
        for row in self._chosen.symlinks():
            if self._book.stopped():
                return
            self._book.attempt(row.key, partial(self._symlink, row))

    def _symlink(self, row: PlainRow) -> None:
        decision = self._writer.put_symlink(row)
        self._book.settle(row, "symlinks" if decision is Decision.WRITE else decision.value)
        self._book.events.advance(1, 0)
