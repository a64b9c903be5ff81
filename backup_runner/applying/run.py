"""Carries out a plan and records it: the only place where a job changes its catalog or its bucket.

Order: the snapshot opens, orphans are adopted, paths are stored (object first, then the transaction that records it),
the snapshot closes, the record is uploaded, and only then is anything deleted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import orjson

from ..catalog import Catalog, CatalogLock, erasing, history
from ..catalog.about import About
from ..catalog.recording import Recorder
from ..errors import CatalogError, Interrupted
from ..options import ApplyOptions
from ..planning.file import Header
from ..planning.guards import CONTENT
from ..planning.making import SpooledPlan
from ..progress import Events, Outcome
from ..reasons import Cause, Reason
from ..records import Action, ActionKind
from ..repository.adopting import Adopting
from ..repository.drift import close_drift, note, note_reported
from ..repository.leftovers import abort_old_uploads
from ..repository.session import Session
from ..workers.interrupt import Interrupt
from .checking import Ground, PlanCheck, raise_guards
from .closing import commit_record, excuse_busy, note_unborn, pass_on_problems, snapshot_totals
from .holding import change_holders
from .lane import Lane, ReportBook
from .losses import Losses
from .paths import PathApplier
from .retirement import Retirement
from .running import READING, Running
from .setting import setting_of
from .versions import Versions

_PRUNING = {ActionKind.FORGET, ActionKind.ERASE, ActionKind.DELETE, ActionKind.REPACK}
_OPERATIONS = 2000
"""Number of small changes per transaction."""


def apply_plan(
    session: Session, plan: SpooledPlan, options: ApplyOptions, events: Events, interrupt: Interrupt
) -> Outcome:
    """Carry out a plan. Raises StalePlanError if job, catalog or bucket changed since it was made, GuardError if a
    guard stops it, ForkedError if another machine committed first; then nothing was changed, or the message says
    what. After an interruption, the outcome has `interrupted` set, and completed work is recorded."""
    started = time.monotonic()
    header = plan.header
    raise_guards(header, options)
    outcome = Outcome()
    with CatalogLock(session.job.catalog.path, wait_seconds=options.wait_seconds):
        ground = PlanCheck(session, header, options, events, outcome).run()
        try:
            run = _Run(session, plan, ground, options, events, interrupt, outcome)
            if header.pruning == "only":
                run.carry_out_pruning()
            else:
                run.carry_out()
        finally:
            ground.lease.release()
            outcome.seconds = time.monotonic() - started
        return outcome


class _Run:
    """Carries out one checked plan."""

    def __init__(
        self,
        session: Session,
        plan: SpooledPlan,
        ground: Ground,
        options: ApplyOptions,
        events: Events,
        interrupt: Interrupt,
        outcome: Outcome,
    ) -> None:
        self._session = session
        self._plan = plan
        self._header: Header = plan.header
        self._ground = ground
        self._cat: Catalog = ground.cat
        self._options = options
        self._events = events
        self._interrupt = interrupt
        self._outcome = outcome
        self._about = About()
        self._running = Running(events, outcome, self._stop, options.policy)

    def _stop(self) -> bool:
        """Called between all steps, so it also renews the lease."""
        self._ground.lease.renew()
        return self._interrupt.requested

    def carry_out(self) -> None:
        header, cat, store = self._header, self._cat, self._ground.store
        name = self._session.job.name
        change_holders(self._session, self._plan, self._ground, self._outcome)
        began = time.time_ns()
        tags = tuple(sorted({*self._session.job.tags, *self._options.tags}))
        self._about = About(os.uname().nodename, tags, self._options.note)
        with cat.transaction():
            if (job_id := cat.job_id(store.id, name)) is None:
                job_id = cat.add_job(store.id, name)
            # Files are read from now on, however old the plan is: the snapshot gets this time, not the plan's.
            snapshot_id = cat.open_snapshot(
                job_id,
                scanned_ns=began,
                started_ns=began,
                plan_id=header.plan_id,
                scope=orjson.dumps(header.scope).decode(),
                totals=orjson.dumps(self._about.fields).decode(),
            )
            cat.use_plan(header.plan_id, store.id, snapshot_id)
            note(cat, self._ground.drift)
        self._outcome.snapshot_id = snapshot_id
        spoke = {*header.overridden, *(guard["name"] for guard in header.guards)}
        self._outcome.overridden = sorted(spoke & CONTENT)
        self._outcome.unchanged = header.totals.unchanged
        recorder = Recorder(cat, store.id, job_id, snapshot_id)
        versions = Versions(
            recorder,
            cat.batch(_OPERATIONS),
            self._running,
            self._losses(job_id),
        )
        pruning = self._paths(versions)
        self._finish(versions, pruning)

    def carry_out_pruning(self) -> None:
        """Carry out a plan of `prune`: no snapshot is made, only what the plan lists is forgotten and deleted."""
        cat, header = self._cat, self._header
        job_id = cat.job_id(self._ground.store.id, self._session.job.name)
        if job_id is None:
            raise CatalogError(f'the catalog has no job "{self._session.job.name}"', hint="apply it first")
        with cat.transaction():
            cat.use_plan(header.plan_id, self._ground.store.id, None)
        erasing.start(cat)
        retirement = self._retirement(list(self._without_erased(job_id)), job_id)
        retirement.prepare()
        with cat.transaction():
            erased = retirement.mark()
            cat.finish_plan(header.plan_id)
        if not self._session.host_of(self._ground.store):
            # Records of a host's lineage are the host's alone.
            # A full copy without what was erased soon replaces the older records and copies, which have its name.
            commit_record(self._session, self._ground, self._options, self._outcome, copy=erased > 0)
        retirement.delete()

    def _without_erased(self, job_id: int) -> Iterator[Action]:
        """The plan's actions; paths to erase are noted in the catalog instead: there may be many."""
        for action in self._plan.actions():
            if action.kind is ActionKind.ERASE:
                erasing.note_keys(self._cat, job_id, [action.key])
            else:
                yield action

    def _retirement(self, actions: list[Action], job_id: int) -> Retirement:
        return Retirement(self._session, self._ground, job_id, actions, self._running)

    def _losses(self, job_id: int) -> Losses:
        overrides = self._options.overrides | set(self._header.overridden)
        known = self._header.totals.known
        return Losses(self._session.job, known, lambda key: history.count_files(self._cat, job_id, key), overrides)

    def _commit(self) -> None:
        commit_record(self._session, self._ground, self._options, self._outcome)

    # -- paths

    def _paths(self, versions: Versions) -> list[Action]:
        """Carry out all actions except those that forget and delete, which are returned."""
        totals = self._header.totals
        self._events.phase(
            "backing up",
            files=sum(totals.counts.get(kind, 0) for kind in READING),
            size=sum(totals.bytes.get(kind, 0) for kind in READING),
        )
        adopting = Adopting(self._cat, self._ground.store.id, self._session.target, self._session.identity)
        for item in self._ground.orphans:
            self._adopt(
                adopting, Action(ActionKind.ADOPT, Reason(Cause.UNKNOWN_OBJECT), size=item.size, object_name=item.name)
            )
        pruning: list[Action] = []
        book = ReportBook(versions.recorder, versions.write, versions.not_read)
        setting = setting_of(self._session, self._ground.store, self._header.totals, self._options.policy)
        lane = Lane(
            setting,
            self._options.workers or os.cpu_count() or 1,
            book,
            commit=versions.batch.commit,
            stop=self._stop,
            events=self._events,
            children=self._interrupt.children,
        )
        applier = PathApplier(setting.tree, versions, lane, self._stop)
        try:
            for action in self._plan.actions():
                if action.kind in _PRUNING:
                    pruning.append(action)
                elif action.kind is ActionKind.ADOPT:
                    versions.batch.commit()
                    self._adopt(adopting, action)
                elif action.kind is not ActionKind.KEY:
                    applier.handle(action)
            applier.finish()
        except Interrupted:
            self._outcome.interrupted = True
            applier.wind_up()
        finally:
            applier.close()
            self._outcome.read_bytes += book.stored.read
            self._outcome.new_bytes += book.stored.new
            self._outcome.stored_bytes += book.stored.bytes
            self._outcome.stored_objects += book.stored.objects
            self._outcome.safe = book.stored.safe
        return pruning

    def _adopt(self, adopting: Adopting, action: Action) -> None:
        outcome = self._outcome
        why_not = adopting.adopt(action.object_name)
        if why_not:
            outcome.notes.append(f"{action.object_name} was not reused: {why_not}")
        name = action.kind.value
        outcome.counts[name] = outcome.counts.get(name, 0) + 1
        outcome.bytes[name] = outcome.bytes.get(name, 0) + action.size

    # -- the end

    def _finish(self, versions: Versions, pruning: list[Action]) -> None:
        outcome, header, cat = self._outcome, self._header, self._cat
        recorder = versions.recorder
        read_until = time.time_ns()
        pass_on_problems(header, self._ground, outcome)
        excuse_busy(self._session.job, outcome)
        note_unborn(self._session.job, versions, outcome)
        outcome.status = "partial" if outcome.interrupted else "complete"
        # Only after a complete snapshot is anything deleted, and only once its record, marks included, is in the
        # bucket.
        retirement = None if outcome.interrupted else self._retirement(pruning, recorder.job_id)
        totals = snapshot_totals(versions, outcome, header, self._ground) | self._about.fields
        if retirement:
            retirement.prepare()
        self._events.phase("recording")
        with cat.transaction():
            if retirement:
                retirement.mark()
            cat.finish_snapshot(
                recorder.snapshot_id,
                status=outcome.status,
                finished_ns=read_until,
                totals=orjson.dumps(totals).decode(),
            )
            cat.finish_plan(header.plan_id)
            if not outcome.interrupted:
                close_drift(cat, self._ground.drift)
        self._commit()
        if retirement:
            retirement.delete()
            if left := abort_old_uploads(cat, self._ground.store, self._session.target):
                outcome.notes.append(left)
        if not outcome.interrupted:
            note_reported(cat, self._ground.drift)
