"""`restore`: restore files from a snapshot."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING, Annotated

import typer

from .. import api
from ..errors import Interrupted, UsageError
from .completing import snapshots, stored_paths
from .exits import NOT_DONE, exit_code
from .jobs import load_job
from .options import (
    Exclude,
    JobFile,
    Json,
    OverrideGuards,
    Overwrite,
    ThawHours,
    Workers,
    Yes,
    encoded,
    guard_names,
    here,
)
from .outcomes import interrupt
from .output import Output, output
from .plans import confirmed
from .streams import complain

if TYPE_CHECKING:
    from ..report.progress import Reporter

_AGAIN = "files restored so far are whole; run the same restore again to continue"


def command(
    context: typer.Context,
    job: JobFile,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files, folders or patterns: stored, absolute or relative to the current folder. Default: everything.",
            autocompletion=stored_paths,
        ),
    ] = None,
    *,
    exclude: Exclude = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="DIR|-",
            help="Restore to DIR/<stored path> instead of the original location; - writes one file to stdout.",
        ),
    ] = None,
    as_tar: Annotated[
        str | None, typer.Option("--as-tar", metavar="FILE|-", help="Write a tar archive, to a new file or to stdout.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="SNAPSHOT|TIME",
            help="The snapshot to restore: a number or a time. Default: the newest.",
            autocompletion=snapshots,
        ),
    ] = None,
    overwrite: Annotated[Overwrite, typer.Option(help="What to do with an existing file that differs.")] = (
        Overwrite.NEVER
    ),
    delete: Annotated[
        bool,
        typer.Option(
            "--delete",
            help="Also delete what is in restored folders, not in the snapshot. Shows it first; skipped files stay.",
        ),
    ] = False,
    numeric_owner: Annotated[
        bool, typer.Option("--numeric-owner", help="Owners by number, not by the names they had.")
    ] = False,
    map_owner: Annotated[
        list[str] | None,
        typer.Option("--map-owner", metavar="OLD:NEW", help="Give the files of a user to another. May be repeated."),
    ] = None,
    map_group: Annotated[
        list[str] | None, typer.Option("--map-group", metavar="OLD:NEW", help="The same for a group.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be done; change nothing.")] = False,
    yes: Yes = False,
    override_guard: OverrideGuards = None,
    workers: Workers = None,
    thaw: Annotated[bool, typer.Option("--thaw", help="Request that archived objects be made readable.")] = False,
    thaw_hours: ThawHours = 24,
    json: Json = False,
) -> int:
    """Restore files, all or some, from the newest snapshot or an earlier one.

    Example: backup-runner restore documents.yaml letters/ --at 2026-11-01 --to /tmp/back
    """
    # Larger than usual, because its parameters are the options of the command.
    from ..report.machine import restore_documents
    from ..report.restoring import step_documents, step_lines
    from ..report.results import restore_lines

    out = output(context, json=json)
    options = api.RestoreOptions(
        exclude=encoded(exclude),
        here=here(),
        at=at,
        overwrite=api.Overwrite(overwrite),
        dry_run=dry_run,
        workers=workers,
        thaw=thaw,
        thaw_hours=thaw_hours,
        delete=delete,
        numeric_owner=numeric_owner,
        map_owner=tuple(map_owner or ()),
        map_group=tuple(map_group or ()),
        overrides=guard_names(override_guard),
    )
    loaded = load_job(job, out)
    if as_tar or to == "-":
        return _stream(loaded, paths or [], options, out, to=to, as_tar=as_tar)
    if delete and not dry_run and not yes and not sys.stdin.isatty():
        hint = "use --yes to delete without asking, or --dry-run to change nothing"
        raise UsageError("no terminal to ask for confirmation", hint=hint)
    goal, steps = os.path.abspath(to) if to else None, list[tuple[str, bytes, int]]()
    with closing(out.reporter()) as reporter:
        asking = partial(_agree, out, reporter, ask=not yes and not dry_run)
        options = replace(options, agree=asking, listen=(lambda *step: steps.append(step)) if dry_run else None)
        outcome = api.restore(loaded, paths or (), options, to=goal, events=reporter, stop=interrupt(_AGAIN))
    if outcome.declined:
        return NOT_DONE
    for document in chain(step_documents(steps), restore_documents(outcome, dry_run=dry_run)):
        out.emit(document)
    out.say(chain(step_lines(steps, out.look), restore_lines(outcome, out.look, dry_run=dry_run)))
    if outcome.interrupted:
        raise Interrupted(
            "interrupted; files restored so far are complete", hint="run the same restore again to continue"
        )
    return exit_code(outcome)


def _agree(out: Output, reporter: Reporter, found: api.Surplus, *, ask: bool) -> bool:
    """Show what would be deleted, and ask."""
    from ..report.restoring import surplus_documents, surplus_lines

    reporter.close()
    if not found.files and not found.folders:
        return True
    if out.json:
        for document in surplus_documents(found):
            out.emit(document)
    else:
        out.say(surplus_lines(found, out.look))
    if ask and not confirmed(out, "Restore, and delete this?"):
        out.say(["Nothing was restored or deleted."])
        return False
    return True


def _stream(
    job: api.Job, paths: list[str], options: api.RestoreOptions, out: Output, *, to: str | None, as_tar: str | None
) -> int:
    """To standard output, or as an archive: text goes to stderr."""
    from ..report.results import restore_lines

    if (as_tar and to) or out.json or options.dry_run or options.delete:
        raise UsageError(
            "--to - and --as-tar cannot be combined with each other, --json, --dry-run or --delete",
            hint="leave one out",
        )
    to_stdout = as_tar in (None, "-")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("standard output is a terminal", hint="redirect it to a file or a program")
    with closing(out.reporter()) as reporter, ExitStack() as opened:
        sink: IO[bytes] = sys.stdout.buffer if to_stdout else opened.enter_context(_new_file(str(as_tar)))
        outcome = api.restore_stream(
            job, paths, sink, options, tar=bool(as_tar), events=reporter, stop=interrupt("nothing was written")
        )
        sink.flush()
    if outcome.problems or not to_stdout:
        complain(restore_lines(outcome, out.look, dry_run=False))
    if outcome.interrupted:
        raise Interrupted("interrupted; the output is not complete")
    return exit_code(outcome)


def _new_file(path: str) -> IO[bytes]:
    """Create the archive, readable by its owner only because it may contain anything. Raises UsageError if it
    exists."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except FileExistsError:
        raise UsageError(f"{path} already exists", hint="choose another file name") from None
