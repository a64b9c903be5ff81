"""`restore`: bring files back."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import Interrupted
from ..spec import Overwrite
from .completing import snapshots, stored_paths
from .options import Exclude, JobFile, Json, ThawHours, Workers, encoded, here, worker_count
from .output import Output, output

if TYPE_CHECKING:
    from ..progress import RestoreOutcome
    from ..restoring.run import RestoreOptions

_PROBLEMS = 3
_AGAIN = "files restored so far are whole; run the same restore again to continue"


def command(
    job: JobFile,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="Files, folders or patterns: stored, absolute or relative to where you are; all if none is given.",
            autocompletion=stored_paths,
        ),
    ] = None,
    *,
    exclude: Exclude = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="DIR", help="Write DIR/<stored path> instead of the old places.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="SNAPSHOT|TIME",
            help="A snapshot's number, or a time; else the newest.",
            autocompletion=snapshots,
        ),
    ] = None,
    overwrite: Annotated[Overwrite, typer.Option(help="What becomes of a file that is there and differs.")] = (
        Overwrite.NEVER
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be restored.")] = False,
    workers: Workers = None,
    thaw: Annotated[bool, typer.Option("--thaw", help="Ask for archived objects to be made readable.")] = False,
    thaw_hours: ThawHours = 24,
    json: Json = False,
) -> int:
    """Bring files back, all or some, from the newest snapshot or an earlier one.

    Example: backup-runner restore documents.yaml letters/ --at 2026-11-01 --to /tmp/back
    """
    from ..report.machine import restore_documents
    from ..report.results import restore_lines
    from ..restoring.run import RestoreOptions

    out = output(json=json)
    options = RestoreOptions(
        paths=encoded(paths),
        exclude=encoded(exclude),
        here=here(),
        to=os.fsencode(os.path.abspath(to)) if to else None,
        at=at,
        overwrite=overwrite,
        dry_run=dry_run,
        workers=worker_count(workers),
        thaw=thaw,
        thaw_hours=thaw_hours,
    )
    outcome = _restore(job, options, out)
    for document in restore_documents(outcome, dry_run=dry_run):
        out.emit(document)
    out.say(restore_lines(outcome, out.look, dry_run=dry_run))
    if outcome.interrupted:
        raise Interrupted(
            "interrupted; files restored so far are complete", hint="run the same restore again to continue"
        )
    return _PROBLEMS if outcome.problems else 0


def _restore(job: str, options: RestoreOptions, out: Output) -> RestoreOutcome:
    """Do it, with Ctrl-C asking it to stop."""
    from ..restoring.run import restore
    from ..workers.interrupt import Interrupt
    from .jobs import load_job, session_of
    from .signals import first_notice, second_notice

    loaded = load_job(job)
    reporter = out.reporter()
    with (
        Interrupt(first_notice, second_notice(_AGAIN), lasting=True) as interrupt,
        session_of(loaded, reporter.warn, events=reporter) as session,
        closing(reporter),
    ):
        return restore(session, replace(options, stop=interrupt.stop), reporter)
