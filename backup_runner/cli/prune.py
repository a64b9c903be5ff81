"""`prune` and `forget`: delete snapshots that no rule keeps, or that are named, and objects no longer needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .. import api
from ..errors import UsageError
from .completing import snapshots as known_snapshots
from .jobs import load_job
from .options import JobFile, Json, OverrideGuards, Wait, Yes, guard_names, here, seconds
from .outcomes import finish_apply, interrupt, show_hook_output
from .output import Output, output
from .plan import exit_code
from .plans import Review

if TYPE_CHECKING:
    from ..api import Outcome, Plan


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
    asked = _Asked("prune", dry_run, yes, guard_names(override_guard), seconds(wait))
    return _carry_out(job, output(context, json=json), asked, partial(api.prune, hook_output=show_hook_output))


def forget(
    context: typer.Context,
    job: JobFile,
    snapshots: Annotated[
        list[str] | None,
        typer.Argument(metavar="SNAPSHOT", help="Numbers, times, or tag:NAME.", autocompletion=known_snapshots),
    ] = None,
    *,
    path: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Delete this file, or folder, from all snapshots. Repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    yes: Yes = False,
    json: Json = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
) -> int:
    """Forget the named snapshots, or a file in all snapshots, and delete what only they needed. Asks first.

    With --path, packs with the file's bytes are rewritten without them at once, however little of them it is.

    Example: backup-runner forget documents.yaml 17 tag:mistake --dry-run

    Example: backup-runner forget documents.yaml --path letters/draft.odt
    """
    asked = _Asked("forget", dry_run, yes, guard_names(override_guard), seconds(wait))
    return _carry_out(
        job, output(context, json=json), asked,
        lambda loaded, options, **how: api.forget(
            loaded, snapshots or (), options, paths=path or (), **how
        ),
    )  # fmt: skip


class _Asked(NamedTuple):
    """What was asked of a command that deletes snapshots. `wait_seconds` is for the locks of other runs."""

    verb: str
    dry_run: bool
    yes: bool
    overrides: frozenset[str]
    wait_seconds: float


def _carry_out(job: str, out: Output, asked: _Asked, delete: Callable[..., Outcome]) -> int:
    """Show the plan, ask, and delete. Returns the exit code."""
    if not asked.dry_run and not asked.yes and not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for confirmation",
            hint=f"use --yes to {asked.verb} without asking, or --dry-run to change nothing",
        )
    options = api.ApplyOptions(overrides=asked.overrides, wait_seconds=asked.wait_seconds, here=here())
    loaded = load_job(job, out)
    codes: list[int] = []
    with closing(out.reporter()) as reporter:
        shown = Review(out, reporter, ask=not asked.yes, dry_run=asked.dry_run, guarded=True)
        outcome = delete(loaded, options, events=reporter, stop=interrupt(), review=partial(_review, shown, codes))
    if asked.dry_run or outcome.status == "nothing":
        return codes[-1]
    return finish_apply(loaded.name, outcome, out)


def _review(show: Review, codes: list[int], plan: Plan) -> bool:
    """If nothing follows the plan, its summary ends the JSON and the command ends with its exit code."""
    from ..report.machine import plan_summary

    codes.append(exit_code(plan, detailed=False))
    agreed = show(plan)
    if show.dry_run or not plan.changes:
        show.out.emit(plan_summary(plan.header))
    return agreed
