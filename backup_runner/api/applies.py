"""Runs that change something: apply, prune and forget, with hooks, notices and metrics around them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..errors import ForkedError, Interrupted, StalePlanError, UsageError
from ..options import ApplyOptions, PlanOptions
from ..progress import Events, Outcome
from ..runs.logs import log
from ..spec import RunCommand
from .around import watching
from .plans import Plan, make, plan
from .work import Stop, faults, listener, open_session, stopping

if TYPE_CHECKING:
    from ..runs.watch import Watch
    from ..spec import Job

Review = Callable[[Plan], bool]
"""Gets the plan before anything is changed; False declines it."""


def apply(
    what: Job | Plan,
    options: ApplyOptions | None = None,
    *,
    planning: PlanOptions | None = None,
    events: Events | None = None,
    stop: Stop | None = None,
    review: Review | None = None,
    hook_output: Callable[[str], None] | None = None,
) -> Outcome:
    """Back up: plan a job and carry out the plan, or carry out a plan that was made or opened before.

    Runs the job's hooks, sends its notices and writes its metrics. `planning` are the options for planning a job.
    `review` gets the plan before anything is changed; if it returns False, the outcome's status is `declined`. If
    another run was faster, a job is planned again for up to `options.wait_seconds` seconds. `stop` ends the run
    between two files: then the outcome has `interrupted` set, and completed work is recorded. `hook_output` gets the
    last lines of output of a failed hook, which may contain anything.

    Files that could not be backed up are in the outcome's `problems`, not raised. Raises GuardError, StalePlanError,
    ForkedError, BusyError, HookError, TargetError, CatalogError, KeyFileError, WrongKeyError.
    """
    job = what.job if isinstance(what, Plan) else what
    run = _Run(options or ApplyOptions(), listener(events), stop, review)
    try:
        with watching(job, run.events, hook_output) as run.watch:
            if isinstance(what, Plan):
                _apply_plan(what, run)
            else:
                _apply_job(job, replace(planning or PlanOptions(), applies=True), run)
            if run.outcome.interrupted:
                # For hooks and notices this run failed; to the caller it is a result.
                raise Interrupted("interrupted; completed work is recorded", hint="apply again to continue")
    except Interrupted:
        if not run.outcome.interrupted:
            raise
    return run.outcome


def prune(
    job: Job,
    options: ApplyOptions | None = None,
    *,
    events: Events | None = None,
    stop: Stop | None = None,
    review: Review | None = None,
    hook_output: Callable[[str], None] | None = None,
) -> Outcome:
    """Forget snapshots that no retention rule keeps, and delete objects that are no longer needed.

    If there is nothing to do, the outcome's status is `nothing`; `review` gets the plan anyway. Hooks and notices that
    are about `prune` run. Raises CatalogError for a job that was never applied, and what `apply` raises.
    """
    run = _Run(options or ApplyOptions(), listener(events), stop, review)
    planning = PlanOptions(pruning="only", overrides=run.options.overrides)
    with plan(job, planning, events=run.events) as made:
        agreed = review is None or review(made)
        if not agreed:
            # A plan that is only looked at is no run: nobody is to hear of it.
            run.outcome.status = "declined" if made.changes else "nothing"
            return run.outcome
        run.review = None
        with watching(job, run.events, hook_output, RunCommand.PRUNE) as run.watch:
            if made.changes:
                _carry_out(made, run)
            else:
                run.outcome.status = "nothing"
    return run.outcome


def forget(
    job: Job,
    at: Iterable[str] = (),
    options: ApplyOptions | None = None,
    *,
    paths: Iterable[str | bytes] = (),
    events: Events | None = None,
    stop: Stop | None = None,
    review: Review | None = None,
) -> Outcome:
    """Forget these snapshots, whatever the retention, and delete objects that are no longer needed.

    Each is named as for `Browser.snapshot`. The newest complete one stays. `paths` are deleted from all
    snapshots, also the newest, and packs with their bytes are rewritten; relative ones start at `options.here`.
    `review` gets the plan before anything is changed. Hooks are not run. Raises UsageError, CatalogError, and what
    `apply` raises.
    """
    from .browsing import browse

    run = _Run(options or ApplyOptions(), listener(events), stop, review)
    with browse(job, events=run.events) as past:
        chosen = tuple(dict.fromkeys(past.snapshot(one).id for one in at))
    erase = tuple(map(os.fsencode, paths))
    if not chosen and not erase:
        raise UsageError("nothing to forget", hint="name snapshots, or files with `--path`")
    overrides = run.options.overrides
    planning = PlanOptions(pruning="only", overrides=overrides, forget=chosen, erase=erase, here=run.options.here)
    with plan(job, planning, events=run.events) as made:
        _carry_out(made, run)
    return run.outcome


@dataclass
class _Run:
    """The options of one apply, and its outcome."""

    options: ApplyOptions
    events: Events
    stop: Stop | None
    review: Review | None
    watch: Watch | None = None
    outcome: Outcome = field(default_factory=Outcome)


def _apply_job(job: Job, planning: PlanOptions, run: _Run) -> None:
    """Plan and carry out; plan again if another run was faster, while there is time."""
    options, deadline = run.options, time.monotonic() + run.options.wait_seconds
    while True:
        run.options = replace(options, wait_seconds=max(0.0, deadline - time.monotonic()))
        try:
            with make(job, planning, run.events, as_cached=options.new_lineage) as made:
                return _carry_out(made, run)
        except (StalePlanError, ForkedError) as error:
            # A remote catalog catches up by itself; otherwise a person has to look at a fork.
            healing = isinstance(error, StalePlanError) or job.catalog.remote
            if not options.plans_again or not healing or time.monotonic() >= deadline:
                raise
            run.events.warn(f"{error.message}; planning again")


def _apply_plan(made: Plan, run: _Run) -> None:
    """Apply a plan; if it has no open session, open one for as long as it takes."""
    job, borrowed = made.job, made.session is None
    if borrowed:
        made.session = open_session(job, run.events)
    try:
        assert made.session is not None
        with faults(job):
            if made.is_saved:
                from ..planning.admission import admit

                admit(made.session, made.spooled, run.options.overrides)
            if run.watch is not None and job.hooks and job.hooks.before:
                from ..planning.missed import note_missed

                # What the hook wrote just now is not in a plan that was made earlier.
                note_missed(made.session, made.spooled, int(run.watch.started * 1e9))
        _carry_out(made, run)
    finally:
        if borrowed and made.session is not None:
            made.session.close()
            made.session = None


def _carry_out(made: Plan, run: _Run) -> None:
    from ..applying.run import apply_plan

    if run.review is not None and not run.review(made):
        run.outcome.status = "declined"
        if run.watch:
            run.watch.declined = True
        return
    assert made.session is not None
    _log_plan(made)
    if run.watch:
        run.watch.header = made.header
    with faults(made.job), stopping(run.stop) as interrupt:
        run.outcome = apply_plan(made.session, made.spooled, run.options, run.events, interrupt)
    if run.watch:
        run.watch.outcome = run.outcome
    _log_outcome(made.job.name, run.outcome)


# -- the log


def _log_plan(made: Plan) -> None:
    """The plan's header as info, every action as debug."""
    header = made.header
    totals = header.totals
    log.info("job %s: plan %s: %s, %d unchanged", header.job, header.plan_id, totals.counts, totals.unchanged)
    for guard in header.guards:
        log.warning("guard %s: %s", guard["name"], guard["message"])
    if not log.isEnabledFor(10):
        return
    for action in made.actions():
        what = action.object_name or action.key.decode("utf-8", "backslashreplace") or str(action.snapshot_id or "")
        log.debug("%s %s: %s", action.kind.value, what, action.reason)


def _log_outcome(name: str, outcome: Outcome) -> None:
    """The outcome of an apply, with every file that has a problem."""
    for problem in outcome.problems:
        key = problem.key.decode("utf-8", "backslashreplace")
        log.warning("%s: %s: %s", key, problem.kind, problem.message)
    log.info(
        "job %s: snapshot %s %s: %s; %d bytes in %d objects stored, %.1f s",
        name, outcome.snapshot_id, outcome.status, outcome.counts, outcome.stored_bytes, outcome.stored_objects,
        outcome.seconds,
    )  # fmt: skip
