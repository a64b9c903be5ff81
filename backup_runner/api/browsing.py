"""What snapshots contain, read from the catalog alone: nothing is downloaded, no key is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from ..errors import BackupRunnerError, UsageError
from ..progress import Events
from .work import faults, listener, open_session

if TYPE_CHECKING:
    from ..catalog.browsing import Difference, PathVersion
    from ..catalog.database import Snapshot
    from ..catalog.sizing import Sizes
    from ..patterns.paths import PathPattern
    from ..records import Problem
    from ..restoring.select import SnapshotFilter
    from ..spec import Job


Name = str | bytes
"""A path or pattern in the grammar of patterns/paths; bytes for names that are not text."""


class _Keyed(Protocol):
    @property
    def key(self) -> bytes: ...


Row = TypeVar("Row", bound=_Keyed)
T = TypeVar("T")


class Files(NamedTuple):
    """A snapshot and its contents; `versions` are read from the catalog as they are consumed."""

    snapshot: Snapshot
    versions: Iterator[PathVersion]


class Diff(NamedTuple):
    """Two snapshots and the differences that turn `old` into `new`, which is None for the disk.

    `problems` and `left_out` (paths of the snapshot that the job now skips) are complete once the differences are
    read."""

    old: Snapshot
    new: Snapshot | None
    differences: Iterator[Difference]
    problems: list[Problem]
    left_out: Callable[[], int] = int


class Browser:
    """A job's snapshots, kept open. Close it (or use `with`). Its iterators are valid while it is open."""

    def __init__(
        self, job: Job, events: Events | None = None, *, here: bytes | None = None, as_cached: bool = False
    ) -> None:
        self._here = here
        self.job = job
        self._session = open_session(job, listener(events), as_cached=as_cached)
        try:
            with faults(job):
                self._catalog, self._store, self._job_id = self._session.need_store()
        except BaseException:
            self._session.close()
            raise

    @property
    def target(self) -> str:
        """Where the objects are, such as `directory:/mnt/usb/bucket`."""
        return self._store.target

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, oldest first."""
        with faults(self.job):
            return self._catalog.snapshots(self._job_id)

    def snapshot(self, at: str | None = None) -> Snapshot:
        """The snapshot with this number or at this local time, or the newest complete one. Raises CatalogError."""
        from ..restoring.select import choose_snapshot

        with faults(self.job):
            return choose_snapshot(self._catalog, self._job_id, at)[0]

    def files(self, path: Name = "", at: str | None = None, *more: Name, exclude: Iterable[Name] = ()) -> Files:
        """The files of a snapshot that match a path or pattern, or one of several; a folder includes everything in it.

        Raises BackupRunnerError if there is nothing."""
        snapshot = self.snapshot(at)
        rows = self._listed(snapshot, *(self._pattern(one) for one in (path, *more) if one))
        found = self._guarded(self._without(exclude, rows))
        first = next(found, None)
        if first is None and path:
            hint = f"`backup-runner find {self.job.file} NAME` searches all snapshots"
            raise BackupRunnerError(
                f"snapshot {snapshot.id} has no {' or '.join(map(_shown, (path, *more)))}", hint=hint
            )
        return Files(snapshot, chain((first,) if first else (), found))

    def _listed(self, snapshot: Snapshot, *patterns: PathPattern) -> Iterator[PathVersion]:
        from ..catalog.browsing import entries
        from ..patterns.paths import any_covers

        where = (self._catalog, self._job_id, snapshot.id)

        def rows(key: bytes) -> Iterator[PathVersion]:
            return chain(entries(*where, low=key, high=key + b"\0"), entries(*where, low=key + b"/", high=key + b"0"))

        if len(patterns) != 1:
            meant = any_covers(patterns)
            return (row for row in entries(*where) if not patterns or meant(row.key))
        (pattern,) = patterns
        key = pattern.key(lambda key: not key or next(rows(key), None) is not None)
        if not key:
            return entries(*where)
        if pattern.is_wild and next(rows(key), None) is None:
            return (row for row in entries(*where) if pattern.covers(row.key))
        return rows(key)

    def diff(
        self,
        old: str,
        new: str | None = None,
        paths: Iterable[Name] = (),
        *,
        exclude: Iterable[Name] = (),
        checksum: bool = False,
    ) -> Diff:
        """The differences between two snapshots, given as for `snapshot`, or between one and the disk; limited to
        `paths`, if there are any.

        On disk, what a backup of the job would find is looked at; files with the same size and mtime are read
        only with `checksum`."""
        from ..catalog.browsing import differences
        from ..patterns.paths import any_covers

        before = self.snapshot(old)
        if new is None:
            return self._against_disk(before, paths, exclude, checksum=checksum)
        after = self.snapshot(new)
        found = self._without(exclude, differences(self._catalog, self._job_id, before.id, after.id))
        if patterns := [self._pattern(path) for path in paths]:
            meant = any_covers(patterns)
            found = (row for row in found if meant(row.key))
        return Diff(before, after, self._guarded(found), [])

    def _against_disk(
        self, before: Snapshot, paths: Iterable[Name], exclude: Iterable[Name], *, checksum: bool
    ) -> Diff:
        from ..patterns.paths import any_covers
        from ..planning.against import DiskSide

        problems: list[Problem] = []
        disk = DiskSide(self.job, self._catalog, problems.append, checksum=checksum)
        patterns, without = [self._pattern(path) for path in paths], [self._pattern(path) for path in exclude]
        wanted, out = any_covers(patterns), any_covers(without)

        def meant(key: bytes) -> bool:
            return (not patterns or wanted(key)) and not (without and out(key))

        found = disk.differences(self._job_id, before.id, meant)
        return Diff(before, None, self._guarded(found), problems, lambda: disk.left_out)

    def changes_of(self, snapshot: Snapshot, before: Snapshot | None) -> Iterator[Difference]:
        """The differences that turn `before` (None: an empty snapshot) into `snapshot`."""
        from ..catalog.browsing import differences

        return self._guarded(differences(self._catalog, self._job_id, before.id if before else 0, snapshot.id))

    def find(self, name: Name, *, exclude: Iterable[Name] = ()) -> Iterator[PathVersion]:
        """All versions of paths with this name, or that match this pattern; a name with a slash is matched against
        whole paths.

        Raises UsageError for a pattern that cannot match anything."""
        from ..catalog.browsing import versions_matching

        pattern = self._pattern(name, names=True)
        if pattern.is_wild and not pattern.patterns:
            hint = "write a name, or a glob such as '*.txt' or 'a/**/b.txt'"
            raise UsageError(f"{_shown(name)} cannot match anything", hint=hint)
        rows = versions_matching(self._catalog, self._job_id, pattern.selects)
        return self._guarded(self._without(exclude, rows))

    def history(self, path: Name, *, exclude: Iterable[Name] = ()) -> list[PathVersion]:
        """The versions of one file or folder, oldest first; a pattern may match only one. Raises BackupRunnerError if
        no snapshot has it."""
        from ..catalog.browsing import versions_matching, versions_of

        cat, job_id, pattern = self._catalog, self._job_id, self._pattern(path)
        with faults(self.job):
            rows = versions_of(cat, job_id, pattern.key(lambda key: bool(versions_of(cat, job_id, key))))
            found = rows or (versions_matching(cat, job_id, pattern.selects) if pattern.is_wild else ())
            rows = list(self._without(exclude, iter(found)))
        if len(keys := sorted({row.key.rstrip(b"/") for row in rows})) > 1:
            some = ", ".join(map(_shown, keys[:3])) + (", …" if len(keys) > 3 else "")
            hint = f"`backup-runner find {self.job.file} PATTERN` lists the versions of all"
            raise BackupRunnerError(f"{_shown(path)} matches {len(keys)} paths: {some}", hint=hint)
        if not rows:
            hint = f"`backup-runner find {self.job.file} NAME` searches all folders for a name"
            apart = ", apart from what is excluded" if exclude else ""
            raise BackupRunnerError(f"no snapshot has {_shown(path)}{apart}", hint=hint)
        return rows

    def sizes(self) -> Sizes:
        """How much there is and how much is stored, from the catalog alone."""
        from ..catalog.sizing import sizes

        sources = [(source.key.rstrip(b"/"), source.path) for source in self.job.sources]
        with faults(self.job):
            return sizes(self._catalog, self._store.id, self._job_id, sources)

    def object_sizes(self) -> dict[str, int]:
        """Bytes of each object in the bucket, by name."""
        from ..catalog.sizing import object_sizes

        with faults(self.job):
            return object_sizes(self._catalog, self._store.id)

    def names_below(self, start: bytes, limit: int = 200) -> Iterator[bytes]:
        """The next component of stored paths that begin with this; folders end in a slash."""
        from ..catalog.browsing import names_below

        return self._guarded(names_below(self._catalog, self._job_id, start, limit))

    def close(self) -> None:
        """Close the catalog; closing twice is not an error."""
        self._session.close()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pattern(self, text: Name, *, names: bool = False) -> PathPattern:
        from ..patterns.paths import path_pattern

        return path_pattern(os.fsencode(text), self.job.base, self._here, names=names)

    def _without(self, exclude: Iterable[Name], rows: Iterator[Row]) -> Iterator[Row]:
        from ..patterns.paths import any_covers

        patterns = [self._pattern(text) for text in exclude]
        out = any_covers(patterns)
        return (row for row in rows if not out(row.key)) if patterns else rows

    def _guarded(self, rows: Iterator[T]) -> Iterator[T]:
        with faults(self.job):
            yield from rows


def browse(job: Job, *, events: Events | None = None, here: bytes | None = None, as_cached: bool = False) -> Browser:
    """Open a job's snapshots for several queries.

    Paths may be relative to the folder `here`, if given. With `as_cached`, a remote catalog is not updated first.
    Raises CatalogError for a job that was never applied here."""
    return Browser(job, events, here=here, as_cached=as_cached)


def snapshots(job: Job, wanted: SnapshotFilter | None = None, *, events: Events | None = None) -> list[Snapshot]:
    """A job's snapshots, or those that are wanted, oldest first; times are nanoseconds since the epoch."""
    with browse(job, events=events) as open_job:
        return [one for one in open_job.snapshots() if wanted is None or wanted.takes(one)]


def stats(job: Job, *, events: Events | None = None) -> Sizes:
    """How much a job has and how much of it is stored, from the catalog alone."""
    with browse(job, events=events) as open_job:
        return open_job.sizes()


def tag(
    job: Job,
    at: Iterable[str],
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    note: str | None = None,
    events: Events | None = None,
) -> list[Snapshot]:
    """Add and remove tags of snapshots, each named as for `Browser.snapshot`; with a note, replace theirs.

    Returns them as they are then; the change is recorded in the bucket. Raises CatalogError, BusyError, ForkedError."""
    from ..applying.labels import relabel
    from ..restoring.select import choose_snapshot

    session = open_session(job, listener(events))
    try:
        with faults(job):
            cat, _, job_id = session.need_store()
            numbers = list(dict.fromkeys(choose_snapshot(cat, job_id, one)[0].id for one in at))
            relabel(session, numbers, add=tuple(add), remove=tuple(remove), note=note)
            return [one for one in cat.snapshots(job_id) if one.id in numbers]
    finally:
        session.close()


def files(
    job: Job, path: str | bytes = "", at: str | None = None, *, events: Events | None = None
) -> list[PathVersion]:
    """The files of a snapshot at or below a path, as a list; `browse` streams large snapshots."""
    with browse(job, events=events) as open_job:
        return list(open_job.files(path, at).versions)


def find(job: Job, name: str | bytes, *, events: Events | None = None) -> list[PathVersion]:
    """All versions of paths with this name, or that match this glob, in any snapshot."""
    with browse(job, events=events) as open_job:
        return list(open_job.find(name))


def history(job: Job, path: str | bytes, *, events: Events | None = None) -> list[PathVersion]:
    """The versions of one file or folder, oldest first."""
    with browse(job, events=events) as open_job:
        return open_job.history(path)


def diff(job: Job, old: str, new: str | None = None, *, events: Events | None = None) -> list[Difference]:
    """The differences that turn snapshot `old` into snapshot `new` (numbers, local times, or `latest`), or into what
    is on disk."""
    with browse(job, events=events) as open_job:
        return list(open_job.diff(old, new).differences)


def names_snapshot(text: str) -> bool:
    """Whether a word is the number, time, tag or host of a snapshot, rather than a path."""
    from ..restoring.select import names_snapshot as names

    return names(text)


def _shown(path: str | bytes) -> str:
    return repr(os.fsdecode(path))
