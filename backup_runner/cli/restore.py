"""`restore`: restore files from a snapshot."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING

import typer

from .. import api
from ..errors import Interrupted, UsageError
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
from .restoreoptions import (
    AsTar,
    At,
    Delete,
    DryRun,
    Existing,
    MapGroup,
    MapOwner,
    NumericOwner,
    Paths,
    Thaw,
    To,
)
from .streams import complain

if TYPE_CHECKING:
    from ..report.progress import Reporter

_AGAIN = "files restored so far are whole; run the same restore again to continue"


def command(
    context: typer.Context,
    job: JobFile,
    paths: Paths = None,
    *,
    exclude: Exclude = None,
    to: To = None,
    as_tar: AsTar = None,
    at: At = None,
    overwrite: Existing = Overwrite.NEVER,
    delete: Delete = False,
    numeric_owner: NumericOwner = False,
    map_owner: MapOwner = None,
    map_group: MapGroup = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    override_guard: OverrideGuards = None,
    workers: Workers = None,
    thaw: Thaw = False,
    thaw_hours: ThawHours = 24,
    json: Json = False,
) -> int:
    """Restore files, all or some, from the newest snapshot or an earlier one.

    Example: backup-runner restore documents.yaml letters/ --at 2026-11-01 --to /tmp/back
    """
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
    out = output(context, json=json)
    loaded = load_job(job, out)
    if as_tar or to == "-":
        return _stream(loaded, paths or [], options, out, to=to, as_tar=as_tar)
    return _restore(loaded, paths or [], options, out, to=to, ask=not yes and not dry_run)


def _restore(
    job: api.Job, paths: list[str], options: api.RestoreOptions, out: Output, *, to: str | None, ask: bool
) -> int:
    """To files. `ask` before anything is deleted."""
    from ..report.machine import restore_documents
    from ..report.restoring import step_documents, step_lines
    from ..report.results import restore_lines

    if options.delete and ask and not sys.stdin.isatty():
        hint = "use --yes to delete without asking, or --dry-run to change nothing"
        raise UsageError("no terminal to ask for confirmation", hint=hint)
    goal, dry_run, steps = os.path.abspath(to) if to else None, options.dry_run, list[tuple[str, bytes, int]]()
    with closing(out.reporter()) as reporter:
        asking = partial(_agree, out, reporter, ask=ask)
        options = replace(options, agree=asking, listen=(lambda *step: steps.append(step)) if dry_run else None)
        outcome = api.restore(job, paths, options, to=goal, events=reporter, stop=interrupt(_AGAIN))
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
