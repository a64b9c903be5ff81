"""`apply`: do what a plan says, made now and asked about, or saved and reviewed before."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BackupRunnerError, ForkedError, Interrupted, PlanFileError, StalePlanError, UsageError
from .completing import jobs_and_plans
from .options import Checksum, Json, OverrideGuards, Wait, Workers, Yes, guard_names, seconds
from .output import Output, output, quiet_pipe
from .settings import chosen
from .watching import watching

if TYPE_CHECKING:
    from ..options import ApplyOptions, PlanOptions
    from ..planning.making import Plan
    from ..progress import Outcome
    from ..report.progress import Reporter
    from ..repository.session import Session
    from ..runs.watch import Watch
    from ..spec import Job

NOT_DONE, _PROBLEMS = 1, 3
_AGAIN = "the next apply goes on from what was recorded"


def command(
    jobs: Annotated[
        list[str],
        typer.Argument(
            metavar="JOB|PLANFILE",
            help="Job files, or one plan saved with `plan --out`.",
            autocompletion=jobs_and_plans,
        ),
    ],
    *,
    yes: Yes = False,
    workers: Workers = None,
    json: Json = False,
    checksum: Checksum = False,
    override_guard: OverrideGuards = None,
    new_lineage: Annotated[
        bool, typer.Option("--new-lineage", help="Start anew beside what the bucket holds of this job.")
    ] = False,
    wait: Wait = "0",
    job_file: Annotated[
        str | None,
        typer.Option(
            "--job", metavar="FILE", help="The job file of a saved plan, if it is not where it was when planning."
        ),
    ] = None,
    plan_digest: Annotated[
        str | None,
        typer.Option(
            "--plan-digest",
            metavar="HEX",
            help="The SHA-256 digest of a saved plan that was made elsewhere and reviewed.",
        ),
    ] = None,
) -> int:
    """Plan, show, ask, back up. A saved plan was reviewed before and is applied as it is, without a question.

    A saved plan must have been made by the same user on this machine, or be the file whose digest is stated.

    Example: backup-runner apply documents.yaml
    """
    from ..options import ApplyOptions, PlanOptions
    from .jobs import each_job, load_jobs
    from .plans import is_plan_file

    overrides = guard_names(override_guard)
    options = ApplyOptions(workers=workers, overrides=overrides, new_lineage=new_lineage, wait_seconds=seconds(wait))
    out = output(json=json)
    if any(is_plan_file(path) for path in jobs):
        if len(jobs) > 1 or checksum:
            raise UsageError("a saved plan cannot be combined with other arguments", hint="remove the other arguments")
        return _apply_saved(jobs[0], options, out, job_file=job_file, digest=plan_digest)
    if job_file or plan_digest is not None:
        raise UsageError("--job and --plan-digest are for a saved plan", hint="name the plan's file, or leave them out")
    if not yes and not sys.stdin.isatty():
        raise UsageError(
            "no terminal to ask for confirmation", hint="use --yes to apply without asking, or save a plan and apply it"
        )
    planning = PlanOptions(checksum=checksum, overrides=overrides, applies=True)
    work = partial(_plan_and_apply, planning=planning, options=options, out=out, ask=not yes)
    return each_job(load_jobs(jobs), work, out)


def _apply_saved(path: str, options: ApplyOptions, out: Output, *, job_file: str | None, digest: str | None) -> int:
    from ..planning.admission import admit
    from ..planning.missed import note_missed
    from ..planning.opening import open_plan
    from ..planning.seal import vouch
    from ..report.plan_text import heading_lines, totals_line
    from .jobs import session_of
    from .plans import emit_plan, heading_of

    if digest is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise UsageError(
            "--plan-digest takes the 64 hex digits of a SHA-256", hint="`plan --out` and sha256sum print it"
        )
    reporter = out.reporter()
    with closing(open_plan(path)) as plan:
        # Before anything that the plan names is read or run.
        vouch(plan, digest=digest)
        job = _job_of(plan, job_file)
        with watching(job, out) as watch, session_of(job, reporter.warn, events=reporter) as session, closing(reporter):
            admit(session, plan, options.overrides)
            if watch and job.hooks and job.hooks.before:
                note_missed(session, plan, int(watch.started * 1e9))
            with shown_whole():
                if chosen.verbosity >= 0:
                    out.say([*heading_lines(plan.header, heading_of(session), out.look), totals_line(plan.header)])
                if out.json:
                    emit_plan(plan, out)
            return apply_and_tell(session, plan, options, out, reporter, watch)


def _job_of(plan: Plan, named: str | None) -> Job:
    """The job that was planned, from the file that is named now or was then."""
    from .jobs import load_job

    header = plan.header
    file = named or header.job_file
    if not os.path.exists(file):
        raise PlanFileError(
            f'the plan is of job "{header.job}", whose file {file} is not there',
            hint="put the job file back, name it with --job FILE, or plan again",
        )
    job = load_job(file)
    if job.name != header.job:
        raise PlanFileError(
            f'the plan is of job "{header.job}", and {file} holds job "{job.name}"',
            hint="name the job's file with --job",
        )
    if job.digest() != header.job_digest:
        # Said before its hooks run, which may be what changed.
        raise StalePlanError("the job file changed since the plan was made", hint="plan again")
    return job


def _plan_and_apply(job: Job, *, planning: PlanOptions, options: ApplyOptions, out: Output, ask: bool) -> int:
    """Plan and apply; with --wait, plan again for as long if another run was faster."""
    with watching(job, out) as watch:
        return _planned_anew(job, planning=planning, options=options, out=out, ask=ask, watch=watch)


def _planned_anew(
    job: Job, *, planning: PlanOptions, options: ApplyOptions, out: Output, ask: bool, watch: Watch | None
) -> int:
    deadline = time.monotonic() + options.wait_seconds
    while True:
        left = replace(options, wait_seconds=max(0.0, deadline - time.monotonic()))
        try:
            return _once(job, planning=planning, options=left, out=out, ask=ask, watch=watch)
        except (StalePlanError, ForkedError) as error:
            # A remote catalog catches up by itself; elsewhere a fork is for a person to see.
            healing = isinstance(error, StalePlanError) or job.catalog.remote
            if ask or not healing or time.monotonic() >= deadline:
                raise
            out.say([f"{error.message}; planning again"])


def _once(
    job: Job, *, planning: PlanOptions, options: ApplyOptions, out: Output, ask: bool, watch: Watch | None
) -> int:
    from ..planning.making import make_plan
    from .jobs import session_of
    from .plans import emit_plan, heading_of, print_plan, print_plan_brief

    reporter = out.reporter()
    with (
        session_of(job, reporter.warn, events=reporter, as_cached=options.new_lineage) as session,
        closing(reporter),
        closing(make_plan(session, planning, reporter)) as plan,
    ):
        reporter.close()
        changes = plan.header.totals.changes > 0
        with shown_whole():
            if out.json and not (ask and changes):
                print_plan_brief(plan, heading_of(session), out)
            else:
                print_plan(plan, heading_of(session), out, asking=ask and changes)
            if out.json:
                emit_plan(plan, out)
        # Without changes there is nothing to ask about: only a snapshot is recorded.
        if ask and changes and not plan.header.guards and not confirmed(out):
            out.say(["Not applied; nothing was changed."])
            if watch:
                watch.declined = True
            return NOT_DONE
        return apply_and_tell(session, plan, options, out, reporter, watch)


@contextmanager
def shown_whole() -> Iterator[None]:
    """A plan that nobody read to its end is not carried out, and that is said: a pipe hides the exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        quiet_pipe()
        raise BackupRunnerError(
            "the output was closed before the whole plan was written; nothing was changed",
            hint="read all of the output, or use --quiet",
        ) from None


def confirmed(out: Output) -> bool:
    """Ask whether to go on; anything but yes is no."""
    print("\nApply this plan? [y/N] ", end="", file=out.human, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def apply_and_tell(
    session: Session,
    plan: Plan,
    options: ApplyOptions,
    out: Output,
    reporter: Reporter,
    watch: Watch | None = None,
) -> int:
    """Carry a plan out, say what it came to, and give the exit code."""
    from ..applying.run import apply_plan
    from ..report.machine import outcome_summary
    from ..report.results import outcome_lines
    from ..workers.interrupt import Interrupt
    from .logged import log_outcome, log_plan
    from .signals import first_notice, second_notice

    log_plan(plan)
    if watch:
        watch.header = plan.header
    with Interrupt(first_notice, second_notice(_AGAIN), lasting=True) as interrupt:
        outcome = apply_plan(session, plan, options, reporter, interrupt)
    reporter.close()
    if watch:
        watch.outcome = outcome
    log_outcome(session.job.name, outcome)
    out.emit(outcome_summary(outcome))
    if outcome.problems or chosen.verbosity >= 0:
        out.say(outcome_lines(session.job.name, outcome, out.look))
    return _exit_code(outcome)


def _exit_code(outcome: Outcome) -> int:
    if outcome.interrupted:
        raise Interrupted("interrupted; completed work is recorded", hint="apply again to continue")
    if outcome.problems:
        return _PROBLEMS
    return NOT_DONE if outcome.status == "partial" else 0
