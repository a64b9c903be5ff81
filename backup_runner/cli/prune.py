"""`prune`: forget snapshots that no retention rule keeps, and delete objects that are no longer needed."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from ..errors import UsageError
from .completing import snapshots as known_snapshots
from .jobs import load_job
from .options import JobFile, Json, OverrideGuards, Wait, Yes, guard_names, seconds
from .outcomes import finish_apply, interrupt
from .output import output
from .plan import exit_code
from .plans import Review

if TYPE_CHECKING:
    from ..api import Plan


def command(
    context: typer.Context,
    job: JobFile,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
) -> int:
    """Forget snapshots that no retention rule keeps and delete objects that are no longer needed. Asks first.

    Example: backup-runner prune documents.yaml --dry-run
    """
    if not dry_run and not yes and not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for confirmation",
            hint="use --yes to prune without asking, or --dry-run to change nothing",
        )
    options = api.ApplyOptions(overrides=guard_names(override_guard), wait_seconds=seconds(wait))
    out = output(context, json=json)
    loaded = load_job(job, out)
    codes: list[int] = []
    with closing(out.reporter()) as reporter:
        review = partial(_review, Review(out, reporter, ask=not yes, dry_run=dry_run, guarded=True), codes)
        outcome = api.prune(loaded, options, events=reporter, stop=interrupt(), review=review)
    if dry_run or outcome.status == "nothing":
        return codes[-1]
    return finish_apply(loaded.name, outcome, out)


def forget(
    context: typer.Context,
    job: JobFile,
    snapshots: Annotated[
        list[str],
        typer.Argument(metavar="SNAPSHOT", help="Numbers, times, or tag:NAME.", autocompletion=known_snapshots),
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
) -> int:
    """Forget the named snapshots, whatever the retention, and delete what only they needed. Asks first.

    Example: backup-runner forget documents.yaml 17 tag:mistake --dry-run
    """
    if not dry_run and not yes and not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for confirmation",
            hint="use --yes to forget without asking, or --dry-run to change nothing",
        )
    options = api.ApplyOptions(overrides=guard_names(override_guard), wait_seconds=seconds(wait))
    out = output(context, json=json)
    loaded = load_job(job, out)
    codes: list[int] = []
    with closing(out.reporter()) as reporter:
        review = partial(_review, Review(out, reporter, ask=not yes, dry_run=dry_run, guarded=True), codes)
        outcome = api.forget(loaded, snapshots, options, events=reporter, stop=interrupt(), review=review)
    return codes[-1] if dry_run else finish_apply(loaded.name, outcome, out)


def _review(show: Review, codes: list[int], plan: Plan) -> bool:
    """If nothing follows the plan, its summary ends the JSON and the command ends with its exit code."""
    from ..report.machine import plan_summary

    codes.append(exit_code(plan, detailed=False))
    agreed = show(plan)
    if show.dry_run or not plan.changes:
        show.out.emit(plan_summary(plan.header))
    return agreed
