"""`files list`, `diff`, `find` and `history`: what snapshots contain, read from the catalog alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import api
from .completing import snapshots, snapshots_and_paths, stored_paths
from .exits import INCOMPLETE
from .jobs import load_job
from .options import Exclude, JobFile, Json, here
from .output import Output, output

if TYPE_CHECKING:
    from ..api import Browser

files = typer.Typer(help="The files of a snapshot.", no_args_is_help=True, rich_markup_mode=None)


SNAPSHOT_HELP = "A snapshot's number, a time, or `latest`."


@files.callback()
def _files() -> None:
    """The files of a snapshot."""


@contextmanager
def _history_of(path: str, out: Output) -> Iterator[Browser]:
    reporter = out.reporter()
    with api.browse(load_job(path, out), events=reporter, here=here()) as past:
        reporter.close()
        yield past


def _put(out: Output, documents: Iterable[dict[str, Any]], lines: Iterable[str]) -> None:
    """JSON with --json, else text; both read the catalog as they are printed."""
    if not out.json:
        out.say(lines)
        return
    for document in documents:
        out.emit(document)


@files.command("list")
def list_files(
    context: typer.Context,
    job: JobFile,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="List only these folders or files, or what matches these patterns.",
            autocompletion=stored_paths,
        ),
    ] = None,
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
    from ..report.browsing import list_documents, list_lines

    out = output(context, json=json)
    with _history_of(job, out) as past:
        first, *more = paths or [""]
        snapshot, rows = past.files(first, at, *more, exclude=exclude or ())
        _put(out, list_documents(rows, snapshot), list_lines(rows, snapshot, out.look))
    return 0


def diff(
    context: typer.Context,
    job: JobFile,
    old: Annotated[str, typer.Argument(metavar="SNAPSHOT", help=SNAPSHOT_HELP, autocompletion=snapshots)],
    rest: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SNAPSHOT] PATH",
            help="The newer snapshot (default: the disk), then folders, files or patterns to limit it to.",
            autocompletion=snapshots_and_paths,
        ),
    ] = None,
    *,
    exclude: Exclude = None,
    checksum: Annotated[
        bool, typer.Option("--checksum", help="Read all files on disk, even with the same size and times.")
    ] = False,
    json: Json = False,
) -> int:
    """Show what differs between two snapshots, or a snapshot and the disk: + added, - removed, ~ changed, . touched.

    Touched: only mode, owner, times or other attributes differ. For a file that is called like a snapshot, write ./3.

    Example: backup-runner diff documents.yaml latest letters/
    """
    from ..report.browsing import diff_documents, diff_lines
    from ..report.results import problem_part

    out, paths = output(context, json=json), list(rest or ())
    with _history_of(job, out) as past:
        new = paths.pop(0) if paths and api.names_snapshot(paths[0]) else None
        before, after, found, problems, left_out = past.diff(old, new, paths, exclude=exclude or (), checksum=checksum)
        _put(out, diff_documents(found, before, after), diff_lines(found, before, after, out.look))
        if missed := left_out():
            out.say([f"note: {missed} paths of the snapshot are on disk, but the job now skips them"])
        out.say(problem_part("Not compared", problems, out.look, see="plan --json"))
    return INCOMPLETE if problems else 0


def find(
    context: typer.Context,
    job: JobFile,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A name or pattern. One that contains a slash is matched against the whole path."
        ),
    ],
    *,
    exclude: Exclude = None,
    json: Json = False,
) -> int:
    """Find a name in all snapshots. Lists every version with the snapshots that have it.

    Example: backup-runner find documents.yaml '*.odt'
    """
    from ..report.finding import Snapshots, find_documents, find_lines

    out = output(context, json=json)
    with _history_of(job, out) as past:
        rows, snapshots = past.find(name, exclude=exclude or ()), Snapshots(past.snapshots())
        _put(out, find_documents(rows, snapshots), find_lines(rows, snapshots, out.look))
    return 0


def history(
    context: typer.Context,
    job: JobFile,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A path, stored, absolute or relative to the current folder; or a pattern that matches one.",
            autocompletion=stored_paths,
        ),
    ],
    *,
    exclude: Exclude = None,
    json: Json = False,
) -> int:
    """Show all versions of a file or folder, oldest first, and what changed each time.

    Example: backup-runner history documents.yaml letters/bank.odt
    """
    from ..report.finding import Snapshots, history_documents, history_lines

    out = output(context, json=json)
    with _history_of(job, out) as past:
        rows, snapshots = past.history(path, exclude=exclude or ()), Snapshots(past.snapshots())
        _put(out, history_documents(rows, snapshots), history_lines(rows, snapshots, out.look))
    return 0
