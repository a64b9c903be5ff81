"""`apply`: carry out a plan, either made now and confirmed, or saved and reviewed earlier."""

from __future__ import annotations

import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from ..errors import UsageError
from .completing import jobs_and_plans
from .jobs import each_job, load_jobs, mistakes_named
from .options import Checksum, Json, OverrideGuards, Wait, Workers, Yes, guard_names, seconds
from .outcomes import finish_apply, interrupt, show_hook_output
from .output import Output, output
from .plans import Review, emit_plan, heading_of, shown_whole
from .snapshots import note_given, tags_given

if TYPE_CHECKING:
    from ..api import ApplyOptions, Job, Plan, PlanOptions


JobsOrPlan = Annotated[
    list[str],
    typer.Argument(
        metavar="JOB|PLANFILE",
        help="Job files, or one plan saved with `plan --out`.",
        autocompletion=jobs_and_plans,
    ),
]
NewLineage = Annotated[
    bool,
    typer.Option("--new-lineage", help="Start a new lineage, even if the bucket already has backups of this job."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Tag the snapshot. May be repeated.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A note about the snapshot.")]
MovedJob = Annotated[
    str | None,
    typer.Option("--job", metavar="FILE", help="The job file of a saved plan, if it was moved since."),
]
PlanDigest = Annotated[
    str | None,
    typer.Option(
        "--plan-digest",
        metavar="HEX",
        help="The SHA-256 of a saved plan, to confirm a plan made on another machine or by another user.",
    ),
]


def command(
    context: typer.Context,
    jobs: JobsOrPlan,
    *,
    yes: Yes = False,
    workers: Workers = None,
    json: Json = False,
    checksum: Checksum = False,
    override_guard: OverrideGuards = None,
    new_lineage: NewLineage = False,
    tag: Tags = None,
    note: Note = None,
    wait: Wait = "0",
    job_file: MovedJob = None,
    plan_digest: PlanDigest = None,
) -> int:
    """Back up: make a plan, show it, ask for confirmation, carry it out. A saved plan is applied without asking.

    A saved plan must have been made by the same user on this machine, or match --plan-digest.

    Example: backup-runner apply documents.yaml
    """
    overrides = guard_names(override_guard)
    options = api.ApplyOptions(
        workers=workers,
        overrides=overrides,
        new_lineage=new_lineage,
        wait_seconds=seconds(wait),
        tags=tags_given(tag),
        note=note_given(note) or "",
        # Confirming one plan does not confirm the next.
        plans_again=yes,
    )
    out = output(context, json=json)
    if any(api.is_plan_file(path) for path in jobs):
        if len(jobs) > 1 or checksum:
            raise UsageError("a saved plan cannot be combined with other arguments", hint="remove the other arguments")
        return _apply_saved(jobs[0], options, out, job_file=job_file, digest=plan_digest)
    if job_file or plan_digest is not None:
        raise UsageError("--job and --plan-digest are for a saved plan", hint="name the plan's file, or leave them out")
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for confirmation", hint="use --yes to apply without asking, or save a plan and apply it"
        )
    planning = api.PlanOptions(checksum=checksum, overrides=overrides)
    return each_job(load_jobs(jobs, out), partial(plan_and_apply, planning, options, out, ask=not yes), out)


def plan_and_apply(
    planning: PlanOptions, options: ApplyOptions, out: Output, job: Job, *, ask: bool = False, whole: bool = True
) -> int:
    """Plan, show, ask, back up; the exit code. `whole` is for `Review`."""
    reporter = out.reporter()
    try:
        outcome = api.apply(
            job,
            options,
            planning=planning,
            events=reporter,
            stop=interrupt(),
            review=Review(out, reporter, ask=ask, whole=whole),
            hook_output=show_hook_output,
        )
    finally:
        reporter.close()
    return finish_apply(job.name, outcome, out)


def _apply_saved(path: str, options: ApplyOptions, out: Output, *, job_file: str | None, digest: str | None) -> int:
    if digest is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise UsageError(
            "--plan-digest takes the 64 hex digits of a SHA-256", hint="`plan --out` and sha256sum print it"
        )
    with api.open_plan(path, settings=out.settings, job_file=job_file, digest=digest) as plan:
        with mistakes_named():
            job = plan.job
        reporter = out.reporter()
        try:
            outcome = api.apply(
                plan,
                options,
                events=reporter,
                stop=interrupt(),
                review=partial(_show_saved, out),
                hook_output=show_hook_output,
            )
        finally:
            reporter.close()
    return finish_apply(job.name, outcome, out)


def _show_saved(out: Output, plan: Plan) -> bool:
    """A short form: the plan was reviewed before."""
    from ..report.plan_text import heading_lines, totals_line

    with shown_whole():
        if not out.quiet:
            out.say([*heading_lines(plan.header, heading_of(plan), out.look), totals_line(plan.header)])
        if out.json:
            emit_plan(plan, out)
    return True
