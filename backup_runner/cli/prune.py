"""`prune`: forget what retention no longer keeps, and delete what nothing needs any more."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from ..errors import UsageError
from .options import JobFile, Json, OverrideGuards, Wait, Yes, guard_names, seconds
from .output import output


def command(
    job: JobFile,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    yes: Yes = False,
    json: Json = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
) -> int:
    """Plan, show, ask, then forget snapshots that no rule keeps and delete objects that nothing needs.

    Example: backup-runner prune documents.yaml --dry-run
    """
    from ..options import ApplyOptions, PlanOptions
    from ..planning.making import make_plan
    from ..report.machine import plan_summary
    from .apply import NOT_DONE, apply_and_tell, confirmed, shown_whole
    from .jobs import load_job, session_of
    from .plan import exit_code
    from .plans import emit_plan, heading_of, print_plan, print_plan_brief

    if not dry_run and not yes and not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for confirmation",
            hint="use --yes to prune without asking, or --dry-run to change nothing",
        )
    overrides = guard_names(override_guard)
    options = ApplyOptions(overrides=overrides, wait_seconds=seconds(wait))
    out = output(json=json)
    loaded = load_job(job)
    reporter = out.reporter()
    with session_of(loaded, reporter.warn, events=reporter) as session, closing(reporter):
        session.need_store()
        with closing(make_plan(session, PlanOptions(pruning="only", overrides=overrides), reporter)) as plan:
            reporter.close()
            changes = plan.header.totals.changes > 0
            asking = changes and not yes and not dry_run and not plan.header.guards
            with shown_whole():
                if json and not asking:
                    print_plan_brief(plan, heading_of(session), out)
                else:
                    print_plan(plan, heading_of(session), out, asking=asking)
                if json:
                    emit_plan(plan, out)
            if dry_run or not changes:
                out.emit(plan_summary(plan.header))
                return exit_code(plan.header, detailed=False)
            if asking and not confirmed(out):
                out.say(["Not applied; nothing was changed."])
                return NOT_DONE
            return apply_and_tell(session, plan, options, out, reporter)
