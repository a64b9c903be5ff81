"""`--delete`: what is in restored folders and not in the snapshot.

Found by a scan as for a backup, with the job's own rules: what a backup would leave out (skipped files, other file
systems, sockets, our own files, symlinks that are not stored) was never in a snapshot, so it stays, and so do the
folders that contain it. Only folders that are restored as a whole are looked at, never the folder around them.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import replace

from orjson import loads

from ..catalog import Catalog
from ..catalog.database import Snapshot
from ..catalog.restoring import Selection
from ..catalog.surplus import SurplusRow, SurplusTable, snapshot_keys
from ..errors import BackupRunnerError, GuardError
from ..patterns.paths import any_covers, path_pattern
from ..progress import Surplus
from ..records import EntryFields, Kind
from ..repository.own import own_files
from ..source.settings import scan_settings
from ..source.walk import ScanTotals, scan_fields
from ..spec import Job
from .book import Book
from .goal import Goal
from .work import CAUGHT, problem_of

_GUARD = "max_delete_percent"
_SMALLEST = 20
"""As for plans: below this number of files, the guard does not apply."""
_CLOCK_STEP_NS = 20_000_000
"""File systems' clocks may be this much behind ours."""


class Deletion:
    """The deletion of one restore: `find` looks and asks, `delete` acts, or pretends to with such a goal."""

    def __init__(self, cat: Catalog, job: Job, chosen: Selection, book: Book) -> None:
        self._cat, self._job, self._chosen, self._book = cat, job, chosen, book
        self._table = SurplusTable(cat)
        self._files = self._folders = self._size = self._seen = 0
        self._postponed = 0
        self._agreed_ns = 0

    def find(self) -> bool:
        """Look at the disk; False if the caller's `agree` said no. Raises GuardError."""
        if not self._book.options.delete:
            return True
        options = self._book.options
        batch: list[SurplusRow] = []
        for row in self._rows():
            batch.append(row)
            if len(batch) == 1000:
                self._table.add(batch)
                batch.clear()
        self._table.add(batch)
        self._weigh()
        found = Surplus(self._files, self._folders, self._size, self._table.keys())
        agreed = options.agree is None or options.agree(found)
        self._agreed_ns = time.time_ns() - _CLOCK_STEP_NS
        return agreed

    def postpone(self, archived: Collection[int]) -> None:
        """Keep what is in the place of files that need these objects, which cannot be read now."""
        if archived and self._book.options.delete:
            self._postponed = self._table.postpone(archived)

    def delete(self, goal: Goal, *, early: bool) -> None:
        """Delete what was found; with `early`, only what is in the place of something of the snapshot. The rest stays
        if archived files are still to be restored: it may be all that there is of them, under another name."""
        if not self._book.options.delete:
            return
        if not early and (self._postponed or any(one.kind == "archived" for one in self._book.outcome.problems)):
            if kept := self._postponed + self._table.count_late():
                text = f"{kept} files and folders are not deleted before the archived files are restored"
                self._book.outcome.notes.append(f"{text}: run the same restore again once they are thawed")
            return
        for row in self._table.deepest_first(early=early):
            if self._book.stopped():
                return
            try:
                self._delete_one(goal, row)
            except CAUGHT as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    self._book.notes["a folder was not deleted, because the job leaves out something in it"] += 1
                elif not isinstance(error, FileNotFoundError):
                    self._book.problem(row.key, "undeleted", problem_of(error)[1])

    def close(self) -> None:
        """Forget what was found."""
        self._table.close()

    def _delete_one(self, goal: Goal, row: SurplusRow) -> None:
        is_folder = row.key.endswith(b"/")
        there = goal.look(row.key.removesuffix(b"/"))
        if there is None:
            return
        if not is_folder and not self._as_listed(row, there):
            self._book.problem(row.key, "undeleted", "it changed after it was listed; restore again")
            return
        if goal.pretend:
            goal.check_writable(row.key)
            if is_folder:
                self._check_empty(goal, row.key)
            if row.early:
                goal.pretend_gone(row.key)
        elif is_folder:
            goal.write_in(row.key, lambda at, name: os.rmdir(name, dir_fd=at))
            goal.closed.pop(row.key, None)
        else:
            goal.write_in(row.key, lambda at, name: os.unlink(name, dir_fd=at))
        self._book.counts["deleted_folders" if is_folder else "deleted"] += 1
        if self._book.options.listen:
            self._book.options.listen("deleted", row.key, row.size)

    def _as_listed(self, row: SurplusRow, there: os.stat_result) -> bool:
        """Whether it did not change; that we made, replaced or deleted other names of it does not count."""
        if there.st_ctime_ns == row.ctime_ns:
            return True
        return there.st_ctime_ns >= self._agreed_ns and row.linked == _linked(
            stat.S_IMODE(there.st_mode), there.st_uid, there.st_gid, there.st_dev, there.st_ino, there.st_mtime_ns
        )

    def _check_empty(self, goal: Goal, key: bytes) -> None:
        """Whether a folder would be empty by now. Raises OSError (ENOTEMPTY)."""
        fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=goal.folder(key))
        try:
            names = os.listdir(fd)
        finally:
            os.close(fd)
        for name in map(os.fsencode, names):
            if not self._table.has(key + name) and not self._table.has(key + name + b"/"):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))

    def _weigh(self) -> None:
        """Raises GuardError."""
        limit = self._job.guards.max_delete_percent
        share = 100 * self._files / self._seen if self._seen >= _SMALLEST else 0
        if share > limit and _GUARD not in self._book.options.overrides:
            raise GuardError(
                f"{_GUARD}: {self._files} of {self._seen} files ({share:.0f} %) in restored folders would be deleted; "
                f"max_delete_percent is {limit}; nothing was done",
                hint=f"check the snapshot and the folder; if this is intended, add --override-guard {_GUARD}",
            )

    def _rows(self) -> Iterator[SurplusRow]:
        """Merges the disk with the snapshot; both are sorted by key."""
        options, base = self._book.options, self._job.base
        excluded = any_covers([path_pattern(path, base, options.here) for path in options.exclude])
        stored = snapshot_keys(self._cat, *self._chosen.at)
        key, chosen = next(stored, (None, 0))
        open_folders: list[tuple[bytes, bool, int]] = []
        for entry in self._entries():
            at = entry[0]
            while open_folders and not at.startswith(open_folders[-1][0]):
                open_folders.pop()
            while key is not None and key < at:
                key, chosen = next(stored, (None, 0))
            inside, early = open_folders[-1][1:] if open_folders else (False, 0)
            known = key == at
            if entry[1] != Kind.DIRECTORY:
                self._seen += inside
            if not known and inside:
                inside = not excluded(at)
                if inside:
                    early = early or int(self._in_the_way(at))
                    yield self._counted(entry, early)
            if at.endswith(b"/") or not at:
                open_folders.append((at, bool(chosen) if known else inside, early))

    def _counted(self, entry: EntryFields, early: int) -> SurplusRow:
        if entry[1] == Kind.DIRECTORY:
            self._folders += 1
        else:
            self._files += 1
        self._size += entry[2]
        linked = _linked(*entry[5:10], entry[3]) if entry[10] > 1 and entry[1] != Kind.DIRECTORY else b""
        return SurplusRow(entry[0], entry[2], entry[4], early, linked)

    def _in_the_way(self, key: bytes) -> bool:
        """Whether the snapshot has something of another type there."""
        return self._chosen.has(key[:-1] if key.endswith(b"/") else key + b"/")

    def _entries(self) -> Iterator[EntryFields]:
        """What a backup of the job would find, in the place that is restored to."""
        sources, settings = scan_settings(self._job, own_files(self._job))
        to = self._book.options.to
        places = [
            source if to is None else replace(source, path=to.rstrip(b"/") + b"/" + source.key.rstrip(b"/"))
            for source in sources
            if not source.output
        ]
        for batch in scan_fields(places, settings, totals=ScanTotals(), on_problem=lambda _: None):
            yield from batch


def _linked(mode: int, uid: int, gid: int, dev: int, ino: int, mtime_ns: int) -> bytes:
    return b"%o %d %d %d %d %d" % (mode, uid, gid, dev, ino, mtime_ns)


def problems_of(snapshot: Snapshot) -> int:
    """How many files its apply could not read, or not completely."""
    return int(loads(snapshot.totals).get("problems", 0))


def check_deletable(snapshot: Snapshot, job: Job) -> None:
    """Whether a snapshot is fit to delete by. Raises BackupRunnerError."""
    if snapshot.status != "complete":
        raise BackupRunnerError(
            f"snapshot {snapshot.id} is incomplete: --delete would delete what its apply did not reach",
            hint="choose a complete snapshot with --at, or leave out --delete",
        )
    if not job.sources:
        raise BackupRunnerError(
            "--delete needs a job with sources: they say what a backup leaves out", hint="leave out --delete"
        )
