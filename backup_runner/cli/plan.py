"""`plan`: what an apply would do, exactly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..errors import PlanFileError, UsageError
from ..foreign import describe
from .completing import stored_paths
from .options import Checksum, JobFiles, Json, Offline, OverrideGuards, guard_names
from .output import Output, output

if TYPE_CHECKING:
    from ..options import PlanOptions
    from ..planning.file import Header
    from ..planning.making import Plan
    from ..spec import Job

_CHANGES, _LOSSES, _GUARD = 2, 3, 5


def command(
    jobs: JobFiles,
    *,
    out_file: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Save the plan for `apply FILE`; .zst compresses it."),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when there are changes, 0 when there are none.")
    ] = False,
    json: Json = False,
    offline: Offline = False,
    checksum: Checksum = False,
    override_guard: OverrideGuards = None,
    no_programs: Annotated[
        bool,
        typer.Option(
            "--no-programs", help="Refuse a job whose `key_command` would be run: for jobs that others may change."
        ),
    ] = False,
    explain: Annotated[
        list[str] | None,
        typer.Option(
            "--explain",
            metavar="PATH",
            help="Say why this path is treated as it is; may be repeated.",
            autocompletion=stored_paths,
        ),
    ] = None,
) -> int:
    """Compare jobs with catalog and bucket and show what an apply would do. Changes nothing.

    Runs the job's `key_command` where the key is needed, and no hook.

    Example: backup-runner plan documents.yaml --out documents.plan
    """
    from ..options import PlanOptions
    from .jobs import each_job, load_jobs

    if out_file and len(jobs) > 1:
        raise UsageError("--out saves the plan of one job only", hint="plan each job separately, with its own file")
    if explain and out_file:
        raise UsageError("--explain does not save a plan", hint="remove --out or --explain")
    if out_file:
        _check_out(out_file, jobs)
    options = PlanOptions(offline=offline, checksum=checksum, overrides=guard_names(override_guard))
    out = output(json=json)
    work = (
        partial(_explain, options=options, out=out, paths=explain)
        if explain
        else partial(_plan, options=options, out=out, out_file=out_file, detailed_exitcode=detailed_exitcode)
    )
    loaded = load_jobs(jobs)
    if no_programs:
        _refuse_programs(loaded)
    return each_job(loaded, work, out)


def _refuse_programs(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.encryption.key_command:
            raise UsageError(
                f'job "{job.name}" gets its key from {job.encryption.key_command[0]}, but --no-programs is set',
                hint="provide the key in a variable (`key_env`) or a file (`key_file`)",
            )


def _check_out(path: str, jobs: Sequence[str]) -> None:
    """A plan replaces an older plan, or an empty file, and nothing else. Raises UsageError."""
    from .files import check_goal
    from .plans import is_plan_file

    check_goal(path, jobs)
    if os.path.exists(path) and os.path.getsize(path) and not is_plan_file(path):
        raise UsageError(f"{path} already exists and is not a plan; it was not changed", hint="name another file")


def _plan(job: Job, *, options: PlanOptions, out: Output, out_file: str | None, detailed_exitcode: bool) -> int:
    from contextlib import closing

    from ..planning.making import make_plan
    from ..report.machine import plan_summary
    from .jobs import session_of
    from .plans import emit_plan, heading_of, print_plan, print_plan_brief

    reporter = out.reporter()
    with (
        session_of(job, reporter.warn, events=reporter, as_cached=options.offline) as session,
        closing(reporter),
        closing(make_plan(session, options, reporter)) as plan,
    ):
        reporter.close()
        saved = _save(plan, out_file) if out_file else None
        if out.json:
            emit_plan(plan, out)
            if saved:
                out.emit(saved.fields())
            out.emit(plan_summary(plan.header))
            print_plan_brief(plan, heading_of(session), out)
        else:
            print_plan(plan, heading_of(session), out)
        if saved:
            out.say(saved.lines())
        return exit_code(plan.header, detailed=detailed_exitcode)


class _Saved(NamedTuple):
    """A plan that was saved; `why_not` says why it has no seal, if it has none."""

    file: str
    sha256: str
    why_not: str

    def fields(self) -> dict[str, object]:
        return {"kind": "saved", "file": self.file, "sha256": self.sha256, "sealed": not self.why_not}

    def lines(self) -> list[str]:
        command = f"backup-runner apply {self.file}"
        stated = f"`{command} --plan-digest {self.sha256}`"
        if self.why_not:
            return [f"Saved to {self.file}, without a seal: {self.why_not}", f"To do exactly this: {stated}."]
        return [
            f"Saved to {self.file}; `{command}` does exactly this.",
            f"Elsewhere, or as another user: {stated}, after a review.",
        ]


def _save(plan: Plan, path: str) -> _Saved:
    from ..planning.seal import own_secret
    from .files import cannot_write

    secret, why_not = None, ""
    try:
        secret = own_secret(make=True)
    except PlanFileError as error:
        why_not = error.message
    try:
        return _Saved(path, plan.save(path, secret), why_not)
    except OSError as error:
        raise cannot_write(path, describe(error)) from None


def _explain(job: Job, *, options: PlanOptions, out: Output, paths: list[str]) -> int:
    from contextlib import closing

    from ..planning.explain import explain
    from ..planning.making import make_plan
    from ..report.explaining import explanation_fields, explanation_lines
    from .jobs import session_of

    reporter = out.reporter()
    with (
        session_of(job, reporter.warn, events=reporter, as_cached=options.offline) as session,
        closing(reporter),
        closing(make_plan(session, options, reporter)) as plan,
    ):
        reporter.close()
        for one in explain(session, plan, [os.fsencode(path) for path in paths]):
            out.emit(explanation_fields(one, job))
            if not out.json:
                out.say(explanation_lines(one, job, out.look))
    return 0


def exit_code(header: Header, *, detailed: bool) -> int:
    """A guard weighs more than lost files, and those more than changes."""
    if header.guards:
        return _GUARD
    if any(problem["problem"] == "lost" for problem in header.problems):
        return _LOSSES
    return _CHANGES if detailed and header.totals.changes else 0
