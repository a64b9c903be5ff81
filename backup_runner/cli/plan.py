"""`plan`: what an apply would do, exactly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from ..errors import UsageError
from ..foreign import describe
from .completing import stored_paths
from .exits import CHANGES, DONE, GUARD, INCOMPLETE
from .jobs import each_job, load_jobs
from .options import Checksum, JobFiles, Json, Offline, OverrideGuards, guard_names
from .output import Output, output
from .plans import emit_plan, heading_of, print_plan, print_plan_brief

if TYPE_CHECKING:
    from ..api import Job, Plan, PlanOptions, Saved


OutFile = Annotated[
    str | None,
    typer.Option(
        "--out", metavar="FILE", help="Save the plan for `apply FILE`. A name that ends in .zst is compressed."
    ),
]
DetailedExitCode = Annotated[
    bool, typer.Option("--detailed-exitcode", help="Exit 2 if there are changes, 0 if there are none.")
]
NoPrograms = Annotated[
    bool,
    typer.Option(
        "--no-programs",
        help="Refuse jobs that use `key_command`. For jobs from people you do not trust to run programs.",
    ),
]
Explain = Annotated[
    list[str] | None,
    typer.Option(
        "--explain",
        metavar="PATH",
        help="Explain why this path is backed up, skipped or left as it is. May be repeated.",
        autocompletion=stored_paths,
    ),
]


def command(
    context: typer.Context,
    jobs: JobFiles,
    *,
    out_file: OutFile = None,
    detailed_exitcode: DetailedExitCode = False,
    json: Json = False,
    offline: Offline = False,
    checksum: Checksum = False,
    override_guard: OverrideGuards = None,
    no_programs: NoPrograms = False,
    explain: Explain = None,
) -> int:
    """Show what an apply would do. Changes nothing.

    Compares the sources with the catalog and the bucket. Runs the job's `key_command` if the key is needed, but no
    hooks.

    Example: backup-runner plan documents.yaml --out documents.plan
    """
    if out_file and len(jobs) > 1:
        raise UsageError("--out saves the plan of one job only", hint="plan each job separately, with its own file")
    if explain and out_file:
        raise UsageError("--explain does not save a plan", hint="remove --out or --explain")
    if out_file:
        _check_out(out_file, jobs)
    options = api.PlanOptions(offline=offline, checksum=checksum, overrides=guard_names(override_guard))
    out = output(context, json=json)
    work = (
        partial(_explain, options=options, out=out, paths=explain)
        if explain
        else partial(_plan, options=options, out=out, out_file=out_file, detailed_exitcode=detailed_exitcode)
    )
    loaded = load_jobs(jobs, out, confined=True)
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
    """A plan may replace only an older plan or an empty file. Raises UsageError."""
    from .files import check_goal

    check_goal(path, jobs)
    if os.path.exists(path) and os.path.getsize(path) and not api.is_plan_file(path):
        raise UsageError(f"{path} already exists and is not a plan; it was not changed", hint="name another file")


def _plan(job: Job, *, options: PlanOptions, out: Output, out_file: str | None, detailed_exitcode: bool) -> int:
    from ..report.machine import plan_summary

    with closing(out.reporter()) as reporter, api.plan(job, options, events=reporter) as plan:
        reporter.close()
        saved = _save(plan, out_file) if out_file else None
        if out.json:
            emit_plan(plan, out)
            if saved:
                out.emit({"kind": "saved", "file": saved.file, "sha256": saved.sha256, "sealed": not saved.why_not})
            out.emit(plan_summary(plan.header))
            print_plan_brief(plan, heading_of(plan), out)
        else:
            print_plan(plan, heading_of(plan), out)
        if saved:
            out.say(_saved_lines(saved))
        return exit_code(plan, detailed=detailed_exitcode)


def _save(plan: Plan, path: str) -> Saved:
    from .files import cannot_write

    try:
        return plan.save(path)
    except OSError as error:
        raise cannot_write(path, describe(error)) from None


def _saved_lines(saved: Saved) -> list[str]:
    command = f"backup-runner apply {saved.file}"
    stated = f"`{command} --plan-digest {saved.sha256}`"
    if saved.why_not:
        return [f"Saved to {saved.file}, without a seal: {saved.why_not}", f"To do exactly this: {stated}."]
    return [
        f"Saved to {saved.file}; `{command}` does exactly this.",
        f"Elsewhere, or as another user: {stated}, after a review.",
    ]


def _explain(job: Job, *, options: PlanOptions, out: Output, paths: list[str]) -> int:
    from ..report.explaining import explanation_fields, explanation_lines

    with closing(out.reporter()) as reporter:
        found = api.explain(job, paths, options, events=reporter)
    for one in found:
        out.emit(explanation_fields(one, job))
        if not out.json:
            out.say(explanation_lines(one, job, out.look))
    return DONE


def exit_code(plan: Plan, *, detailed: bool) -> int:
    """A guard outranks lost files, and these outrank changes."""
    if plan.header.guards:
        return GUARD
    if plan.losses:
        return INCOMPLETE
    return CHANGES if detailed and plan.changes else DONE
