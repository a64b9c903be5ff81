"""What the one-shot commands share: options, and planning and applying a job that exists only in memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from .apply import plan_and_apply
from .exits import DONE, GUARD
from .output import Output
from .plans import Review

if TYPE_CHECKING:
    from ..api import Job, PlanOptions

Overwrite = Annotated[
    bool, typer.Option("--overwrite", "-o", help="Back up files that changed. Without it, they are only listed.")
]
ForceChecksum = Annotated[
    bool,
    typer.Option(
        "--force-checksum", help="Read every file and compare its content, even if its size and times are unchanged."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-d", help="Show the plan and change nothing.")]


def show_and_apply(
    job: Job, planning: PlanOptions, out: Output, *, dry_run: bool = False, ask: bool = False, wait: float = 0.0
) -> int:
    """Show the plan and carry it out. With `ask`, ask first if there is a terminal."""
    if dry_run:
        reporter = out.reporter()
        with api.plan(job, planning, events=reporter) as plan:
            Review(out, reporter, dry_run=True)(plan)
            return GUARD if plan.header.guards else DONE
    options = api.ApplyOptions(overrides=planning.overrides, wait_seconds=wait, plans_again=False)
    return plan_and_apply(planning, options, out, job, ask=ask and sys.stdin.isatty(), whole=False)
