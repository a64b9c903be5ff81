"""Restore files: folders first, then files object by object, hard links, symlinks, and folders' modes last.

A file gets its final name only after its hash was compared; one that cannot be restored is reported, and the others
are restored.
"""

from __future__ import annotations

import errno
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from ..catalog.composed import composition
from ..catalog.database import Store
from ..catalog.restoring import ChosenTotals, Selection
from ..container import Identity
from ..errors import BackupRunnerError
from ..foreign import describe
from ..options import RestoreOptions
from ..progress import Events, RestoreOutcome
from ..repository.session import Session, check_place
from ..spec import Job
from ..targets.opening import crew, divided
from ..workers.pool import Pool
from .book import Book
from .files import Distribution
from .goal import NOT_FINISHED, Goal
from .owners import owners_here
from .preview import Preview
from .select import Wanted, choose_paths, choose_snapshot
from .surplus import Deletion, check_deletable, problems_of
from .thaw import look_at_archive
from .tree import TreeRestore
from .work import RestoreWorker, Result, Task
from .write import FileWriter

__all__ = ["RestoreOptions", "restore"]

_INLINE_BYTES = 8 << 20
_INLINE_FILES = 300
"""Up to this many bytes, starting processes takes longer than doing it here."""


def restore(session: Session, options: RestoreOptions, events: Events) -> RestoreOutcome:
    """Restore files of one snapshot; those that could not be restored are in the outcome's problems.

    Raises CatalogError (no such job or snapshot), WrongKeyError (nothing was written), BackupRunnerError (a path that
    matches nothing, a full disk).
    """
    started = time.monotonic()
    cat, store, job_id = session.need_store()
    snapshot, note = choose_snapshot(cat, job_id, options.at)
    if options.delete:
        check_deletable(snapshot, session.job)
    outcome = RestoreOutcome(
        snapshot_id=snapshot.id, snapshot_time_ns=snapshot.scanned_ns, snapshot_date=snapshot.date_text
    )
    if note:
        outcome.notes.append(note)
    if options.delete and (missed := problems_of(snapshot)):
        text = f"snapshot {snapshot.id} was made with {missed} problems: what could not be read is not in it"
        outcome.notes.append(text)
    selection = Selection(cat, job_id, snapshot.id, *owners_here(snapshot.about.owners, options))
    try:
        wanted = Wanted(options.paths, options.exclude, options.here)
        choose_paths(cat, selection, (job_id, snapshot.id), wanted, session.job.base)
        selection.find_links()
        book = Book(options, events, outcome)
        goal = options.to if options.to is not None else session.job.base or b"/"
        with closing(Deletion(cat, session.job, selection, book)) as deletion:
            if deletion.find():
                _carry_out(session, store, selection, book, goal, deletion)
            else:
                outcome.declined = True
    finally:
        selection.close()
    outcome.seconds = time.monotonic() - started
    return outcome


def _carry_out(session: Session, store: Store, chosen: Selection, book: Book, path: bytes, deletion: Deletion) -> None:
    """All steps, in order; a dry run takes the same ones, with a goal that pretends and without fetching files."""
    options, totals, cat = book.options, chosen.totals(), session.need_store()[0]
    check_place(session.target, store)
    identity = None if options.dry_run else session.unlock(store)
    frozen = look_at_archive(session.target, store.lineage, chosen, replace(options, thaw=_thaws(options)))
    book.outcome.pending_thaw = frozen.pending
    book.outcome.notes += frozen.notes
    goal, root_stays = _open_goal(session, chosen, options, path)
    writer = FileWriter(goal, options.overwrite, lambda row: composition(cat, row.content_id, row.size))
    tree = TreeRestore(chosen, book, writer, root_stays=root_stays)
    pool = _start_workers(session, identity, goal, totals, options)
    kind = Preview if options.dry_run else Distribution
    files = kind(cat, session.target, book, writer, pool, frozen.ids, tree.make_folders)
    try:
        book.events.phase("restoring", files=totals.files + totals.symlinks, size=totals.size)
        deletion.postpone(frozen.ids)
        deletion.delete(goal, early=True)
        tree.begin()
        tree.gather_links()
        files.run(chosen)
        tree.make_folders()
        tree.links()
        files.run(chosen, again=True)
        tree.symlinks()
        deletion.delete(goal, early=False)
    finally:
        pool.close()
        files.close()
        tree.finish_folders()
        if not options.dry_run:
            tree.seal()
        tree.set_back()
        goal.close()
        book.notes.update(writer.notes)
        book.lacking(writer.take_lacking())
        book.conclude()
    if book.fatal:
        raise BackupRunnerError(
            f"cannot write to {os.fsdecode(path)}: {book.fatal}; {book.counts['restored']} files were restored before",
            hint="free some space, or restore to another place with --to; restored files are not fetched again",
        )


def _thaws(options: RestoreOptions) -> bool:
    return options.thaw and not options.dry_run


def _start_workers(
    session: Session, identity: Identity | None, goal: Goal, totals: ChosenTotals, options: RestoreOptions
) -> Pool[Task, Result]:
    """The workers that fetch files; none for small restores, or without a key, for a dry run."""
    if identity is None:
        return Pool[Task, Result](0, _no_worker)
    small = totals.size <= _INLINE_BYTES and totals.files <= _INLINE_FILES
    workers = 0 if small else crew(session.target, options.workers or os.cpu_count() or 1)
    target = pickle.dumps(divided(session.target, max(1, workers)))
    return Pool[Task, Result](
        workers,
        lambda: RestoreWorker(
            pickle.loads(target),  # noqa: S301 - our own bytes, pickled above
            identity,
            goal if small else goal.again(),
            options.overwrite,
        ),
    )


def _no_worker() -> RestoreWorker:
    raise AssertionError("a dry run fetches nothing")


def _open_goal(session: Session, chosen: Selection, options: RestoreOptions, path: bytes) -> tuple[Goal, bool]:
    """The folder to restore to, and whether it keeps its own attributes: a folder that the user named with `--to`.

    It is created first if it does not exist. Raises BackupRunnerError."""
    try:
        if options.to is None:
            return Goal.open(path, followed=_own_paths(session.job, chosen, options), pretend=options.dry_run), False
        stays = os.path.isdir(path)
        if options.dry_run and not os.path.lexists(path):
            _check_makeable(path)
            return Goal(None, pretend=True), False
        if not stays and not options.dry_run:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.mkdir(path, NOT_FINISHED if chosen.has_chosen(b"") else 0o777)
        return Goal.open(path, pretend=options.dry_run, created=not stays), stays
    except OSError as error:
        raise BackupRunnerError(
            f"cannot restore to {os.fsdecode(path)}: {describe(error)}",
            hint="create that folder, or choose another one with --to DIR",
        ) from None


def _check_makeable(path: bytes) -> None:
    """Check that a folder could be created, without doing so. Raises OSError."""
    above = os.path.dirname(path)
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _own_paths(job: Job, chosen: Selection, options: RestoreOptions) -> frozenset[bytes]:
    """Keys on the way to the job's sources: the user wrote them, so symlinks there are followed.

    A one-shot command's job has no sources; there, it is the folders above everything that was backed up. Symlinks from
    a snapshot are never among them."""
    keys: set[bytes] = set()
    for source in job.sources:
        root = source.key.rstrip(b"/")
        keys |= {*_prefixes(root), root} if root else set()
    for path in options.paths if not job.sources else ():
        for key in _prefixes(path.rstrip(b"/")):
            keys.add(key)
            if chosen.has(key):
                break
    return frozenset(key for key in keys if not chosen.has_symlink(key.rstrip(b"/")))


def _prefixes(path: bytes) -> Iterator[bytes]:
    """The keys of the folders above a path, and of a folder at it."""
    at = b""
    for part in path.split(b"/"):
        at += part + b"/"
        yield at
