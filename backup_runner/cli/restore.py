"""`restore`: restore files from a snapshot."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Annotated

import typer

from .. import api
from ..errors import Interrupted
from .completing import snapshots, stored_paths
from .exits import exit_code
from .jobs import load_job
from .options import Exclude, JobFile, Json, Overwrite, ThawHours, Workers, encoded, here
from .outcomes import interrupt
from .output import output

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
        typer.Option("--to", metavar="DIR", help="Restore to DIR/<stored path> instead of the original location."),
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be restored; change nothing.")] = False,
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
    )
    loaded = load_job(job, out)
    goal = os.path.abspath(to) if to else None
    with closing(out.reporter()) as reporter:
        outcome = api.restore(loaded, paths or (), options, to=goal, events=reporter, stop=interrupt(_AGAIN))
    for document in restore_documents(outcome, dry_run=dry_run):
        out.emit(document)
    out.say(restore_lines(outcome, out.look, dry_run=dry_run))
    if outcome.interrupted:
        raise Interrupted(
            "interrupted; files restored so far are complete", hint="run the same restore again to continue"
        )
    return exit_code(outcome)
