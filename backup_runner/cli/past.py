"""`files list`, `diff`, `find` and `history`: reading what snapshots hold, from the catalog alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from ..errors import BackupRunnerError, UsageError
from .completing import snapshots, stored_paths
from .options import Exclude, JobFile, Json, encoded, here
from .output import Output, output

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..catalog.browsing import PathVersion
    from ..patterns.paths import PathPattern
    from ..spec import Job

files = typer.Typer(help="The files of a snapshot.", no_args_is_help=True, rich_markup_mode=None)


class _Keyed(Protocol):
    @property
    def key(self) -> bytes: ...


_Row = TypeVar("_Row", bound=_Keyed)
SNAPSHOT_HELP = "A snapshot's number, a time, or `latest`."


@files.callback()
def _files() -> None:
    """The files of a snapshot."""


@contextmanager
def _history_of(path: str, out: Output) -> Iterator[tuple[Job, Catalog, int]]:
    from .jobs import load_job, session_of

    job = load_job(path)
    reporter = out.reporter()
    with session_of(job, reporter.warn, events=reporter) as session:
        catalog, _, job_id = session.need_store()
        reporter.close()
        yield job, catalog, job_id


def _put(out: Output, documents: Iterable[dict[str, Any]], lines: Iterable[str]) -> None:
    """JSON if that was asked for, else text; either reads the catalog as it goes."""
    if not out.json:
        out.say(lines)
        return
    for document in documents:
        out.emit(document)


@files.command("list")
def list_files(
    job: JobFile,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="Only this folder or file, or what matches this pattern.",
            autocompletion=stored_paths,
        ),
    ] = "",
    *,
    exclude: Exclude = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="SNAPSHOT|TIME", help=SNAPSHOT_HELP, autocompletion=snapshots)
    ] = None,
    json: Json = False,
) -> int:
    """List the files of a snapshot, the newest complete one by default.

    Example: backup-runner files list documents.yaml letters/ --at 2026-11-01
    """
    from itertools import chain

    from ..patterns.paths import path_pattern
    from ..report.browsing import list_documents, list_lines
    from ..restoring.select import choose_snapshot

    out = output(json=json)
    with _history_of(job, out) as (loaded, catalog, job_id):
        snapshot, _ = choose_snapshot(catalog, job_id, at)
        where = (catalog, job_id, snapshot.id)
        pattern = path_pattern(os.fsencode(path), loaded.base, here()) if path else None
        found = _without(exclude, loaded, _listed(where, pattern))
        first = next(found, None)
        if first is None and path:
            raise BackupRunnerError(
                f"snapshot {snapshot.id} has no {path!r}",
                hint=f"`backup-runner find {job} NAME` searches all snapshots",
            )
        rows = chain((first,) if first else (), found)
        _put(out, list_documents(rows, snapshot), list_lines(rows, snapshot, out.look))
    return 0


def _listed(where: tuple[Catalog, int, int], pattern: PathPattern | None) -> Iterator[PathVersion]:
    """What a snapshot has of a path: the file of this name, or the folder and what lies in it; or what matches."""
    from itertools import chain

    from ..catalog.browsing import entries

    def rows(key: bytes) -> Iterator[PathVersion]:
        return chain(entries(*where, low=key, high=key + b"\0"), entries(*where, low=key + b"/", high=key + b"0"))

    if pattern is None:
        return entries(*where)
    key = pattern.key(lambda key: not key or next(rows(key), None) is not None)
    if not key:
        return entries(*where)
    if pattern.is_wild and next(rows(key), None) is None:
        return (row for row in entries(*where) if pattern.covers(row.key))
    return rows(key)


def _without(exclude: list[str] | None, job: Job, rows: Iterable[_Row]) -> Iterator[_Row]:
    """All but what is excluded."""
    from ..patterns.paths import any_covers, path_pattern

    out = any_covers([path_pattern(path, job.base, here()) for path in encoded(exclude)])
    return (row for row in rows if not out(row.key)) if exclude else iter(rows)


def diff(
    job: JobFile,
    old: Annotated[str, typer.Argument(metavar="SNAPSHOT", help=SNAPSHOT_HELP, autocompletion=snapshots)],
    new: Annotated[str, typer.Argument(metavar="SNAPSHOT", help=SNAPSHOT_HELP, autocompletion=snapshots)],
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Only these folders, files or patterns.", autocompletion=stored_paths),
    ] = None,
    *,
    exclude: Exclude = None,
    json: Json = False,
) -> int:
    """Say what differs between two snapshots: + added, - removed, ~ changed, . only mode, owner or times.

    Example: backup-runner diff documents.yaml 3 latest letters/
    """
    from ..catalog.browsing import differences
    from ..patterns.paths import any_covers, path_pattern
    from ..report.browsing import diff_documents, diff_lines
    from ..restoring.select import choose_snapshot

    out = output(json=json)
    with _history_of(job, out) as (loaded, catalog, job_id):
        before, after = (choose_snapshot(catalog, job_id, at)[0] for at in (old, new))
        found = _without(exclude, loaded, differences(catalog, job_id, before.id, after.id))
        if paths:
            meant = any_covers([path_pattern(path, loaded.base, here()) for path in encoded(paths)])
            found = (row for row in found if meant(row.key))
        _put(out, diff_documents(found, before, after), diff_lines(found, before, after, out.look))
    return 0


def find(
    job: JobFile,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A name or pattern; one with a slash is matched with the whole path."),
    ],
    *,
    exclude: Exclude = None,
    json: Json = False,
) -> int:
    """Look for a name in all snapshots; every version is listed with the snapshots that have it.

    Example: backup-runner find documents.yaml '*.odt'
    """
    from ..catalog.browsing import versions_matching
    from ..patterns.paths import path_pattern
    from ..report.finding import Snapshots, find_documents, find_lines

    out = output(json=json)
    with _history_of(job, out) as (loaded, catalog, job_id):
        pattern = path_pattern(os.fsencode(name), loaded.base, here(), names=True)
        if pattern.is_wild and not pattern.patterns:
            raise UsageError(
                f"{name!r} can match nothing", hint="write a name, or a glob such as '*.txt' or 'a/**/b.txt'"
            )
        snapshots = Snapshots(catalog.snapshots(job_id))
        rows = _without(exclude, loaded, versions_matching(catalog, job_id, pattern.selects))
        _put(out, find_documents(rows, snapshots), find_lines(rows, snapshots, out.look))
    return 0


def history(
    job: JobFile,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH", help="A path: stored, absolute or relative to where you are.", autocompletion=stored_paths
        ),
    ],
    *,
    json: Json = False,
) -> int:
    """Show the versions of one file or folder, oldest first, and what changed each time.

    Example: backup-runner history documents.yaml letters/bank.odt
    """
    from ..catalog.browsing import versions_of
    from ..patterns.paths import path_pattern
    from ..report.finding import Snapshots, history_documents, history_lines

    out = output(json=json)
    with _history_of(job, out) as (loaded, catalog, job_id):
        pattern = path_pattern(os.fsencode(path), loaded.base, here())
        rows = versions_of(catalog, job_id, pattern.key(lambda key: bool(versions_of(catalog, job_id, key))))
        if not rows:
            raise BackupRunnerError(
                f"no snapshot has {path!r}", hint=f"`backup-runner find {job} NAME` searches all folders for a name"
            )
        snapshots = Snapshots(catalog.snapshots(job_id))
        _put(out, history_documents(rows, snapshots), history_lines(rows, snapshots, out.look))
    return 0
