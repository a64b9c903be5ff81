"""Does what a plan says and records it: the only place where a job changes its catalog or its bucket.

Order: the snapshot opens, orphans are adopted, paths are stored (object first, then the transaction that records it),
the snapshot closes, the record goes into the bucket, and only then is anything deleted.
"""

from __future__ import annotations

import os
import time

import orjson

from ..catalog import Catalog, CatalogLock, history
from ..catalog.browsing import bytes_now
from ..catalog.recording import Recorder
from ..errors import AccessDenied, CatalogError, Interrupted
from ..options import ApplyOptions
from ..planning.file import Header, key_of
from ..planning.guards import CONTENT
from ..planning.making import Plan
from ..policy import StoringPolicy
from ..progress import Events, Outcome
from ..reasons import Cause, Reason
from ..records import Action, ActionKind, Problem
from ..repository import commits as committing
from ..repository.adopting import Adopting
from ..repository.drift import note, settle
from ..repository.leftovers import abort_old_uploads
from ..repository.session import Session
from ..source.tree import Tree
from ..workers.claims import Claims
from ..workers.interrupt import Interrupt
from .checking import Check, Ground, raise_guards
from .firsts import give_way, two_lineages
from .lane import Book, Lane
from .losses import Losses
from .paths import PathApplier
from .retirement import Retirement
from .running import READING, Running
from .versions import Versions
from .worker import Setting

_PRUNING = {ActionKind.FORGET, ActionKind.DELETE, ActionKind.REPACK}
_OPERATIONS = 2000
"""Small changes of one transaction."""


def apply_plan(session: Session, plan: Plan, options: ApplyOptions, events: Events, interrupt: Interrupt) -> Outcome:
    """Carry out a plan. Raises StalePlanError if job, catalog or bucket moved since it was made, GuardError if a
    guard stops it, ForkedError if another machine committed first; then nothing was changed, or the message says
    what. An interrupt comes back as an outcome, with `interrupted` set and what was finished recorded."""
    started = time.monotonic()
    header = plan.header
    raise_guards(header, options)
    outcome = Outcome()
    with CatalogLock(session.job.catalog.path, wait_seconds=options.wait_seconds):
        ground = Check(session, header, options, events, outcome).run()
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
    """One plan on checked ground."""

    def __init__(
        self,
        session: Session,
        plan: Plan,
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
        self._running = Running(events, outcome, self._stop, options.policy)

    def _stop(self) -> bool:
        """Asked between all steps, so the lease is renewed here too."""
        self._ground.lease.renew()
        return self._interrupt.requested

    def carry_out(self) -> None:
        header, cat, store = self._header, self._cat, self._ground.store
        name = self._session.job.name
        began = time.time_ns()
        with cat.transaction():
            if (job_id := cat.job_id(store.id, name)) is None:
                job_id = cat.add_job(store.id, name)
            # Files are read from now on, however old the plan is: the snapshot is of this time, not the plan's.
            snapshot_id = cat.open_snapshot(
                job_id,
                scanned_ns=began,
                started_ns=began,
                plan_id=header.plan_id,
                scope=orjson.dumps(header.scope).decode(),
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
        """A plan of `prune`: no snapshot is made, only what the plan named is forgotten and deleted."""
        cat, header = self._cat, self._header
        job_id = cat.job_id(self._ground.store.id, self._session.job.name)
        if job_id is None:
            raise CatalogError(f'the catalog has no job "{self._session.job.name}"', hint="apply it first")
        with cat.transaction():
            cat.use_plan(header.plan_id, self._ground.store.id, None)
        actions = list(self._plan.actions())
        retirement = self._retirement(actions, job_id)
        retirement.prepare()
        with cat.transaction():
            retirement.mark()
            cat.finish_plan(header.plan_id)
        self._commit_record()
        retirement.delete()

    def _retirement(self, actions: list[Action], job_id: int) -> Retirement:
        return Retirement(self._session, self._ground, job_id, actions, self._running)

    def _losses(self, job_id: int) -> Losses:
        overrides = self._options.overrides | set(self._header.overridden)
        known = self._header.totals.known
        return Losses(self._session.job, known, lambda key: history.count_files(self._cat, job_id, key), overrides)

    # -- paths

    def _paths(self, versions: Versions) -> list[Action]:
        """All actions but those that forget and delete, which come back as a list."""
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
        book = Book(versions.recorder, versions.write, versions.not_read)
        setting = self._setting(self._options.policy)
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
                else:
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

    def _setting(self, policy: StoringPolicy) -> Setting:
        session, store, totals = self._session, self._ground.store, self._header.totals
        job = session.job
        expected = sum(totals.counts.get(kind, 0) for kind in READING)
        expected += sum(totals.bytes.get(kind, 0) for kind in READING) // policy.pieces.average
        return Setting(
            Tree((source.key, source.path) for source in job.sources),
            session.target,
            session.keys(store).sealing,
            str(job.target.storage_tier),
            policy,
            Claims(expected),
            job.catalog.path,
            store.id,
            store.seed,
            threads=max(1, os.cpu_count() or 1),
        )

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
        self._pass_on_problems()
        outcome.status = "partial" if outcome.interrupted else "complete"
        # Only a complete snapshot lets anything be deleted, and only once its record, marks included, is in the bucket.
        retirement = None if outcome.interrupted else self._retirement(pruning, recorder.job_id)
        totals = self._totals(versions)
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
                settle(cat, self._ground.drift)
        self._commit_record()
        if retirement:
            retirement.delete()
            if left := abort_old_uploads(cat, self._ground.store, self._session.target):
                outcome.notes.append(left)

    def _pass_on_problems(self) -> None:
        """What planning could not read, as far as apply did not meet it again."""
        outcome = self._outcome
        named = {(problem.key, problem.kind) for problem in outcome.problems}
        for fields in self._header.problems:
            if (key_of(fields), fields["problem"]) not in named:
                outcome.problems.append(Problem(key_of(fields), fields["problem"], fields["message"]))

    def _totals(self, versions: Versions) -> dict[str, object]:
        outcome, recorder = self._outcome, versions.recorder
        # Retention lets a snapshot that was made in spite of its guards displace no other.
        doubtful = {"overridden": outcome.overridden} if outcome.overridden else {}
        return doubtful | {
            "files": max(0, self._header.totals.known + recorder.added - versions.removed),
            "bytes": self._bytes_before(recorder) + recorder.gained,
            "added": recorder.added,
            "changed": sum(outcome.counts.get(kind, 0) for kind in ("update", "repair")),
            "removed": versions.removed,
            "counts": outcome.counts,
            "folders": outcome.folders,
            "read_bytes": outcome.read_bytes,
            "new_bytes": outcome.new_bytes,
            "stored_bytes": outcome.stored_bytes,
            "problems": len(outcome.problems),
        }

    def _bytes_before(self, recorder: Recorder) -> int:
        """Bytes of the job's files before this snapshot: the last one says so, unless it was killed."""
        earlier = [s for s in self._cat.snapshots(recorder.job_id) if s.id < recorder.snapshot_id]
        if not earlier:
            return 0
        known = orjson.loads(earlier[-1].totals).get("bytes")
        return int(known) if known is not None else bytes_now(self._cat, recorder.job_id) - recorder.gained

    def _commit_record(self) -> None:
        """Put the record of all that changed, and a full copy where the records have grown long."""
        session, ground = self._session, self._ground
        target, keys = session.target, session.keys(ground.store)
        first = ground.store.serial == 0 and not self._options.new_lineage
        if first:
            give_way(session, self._cat, ground.store)
        store = committing.commit(self._cat, ground.store, target, keys)
        if first and (said := two_lineages(session, store)):
            self._outcome.problems.append(Problem(b"", "two-lineages", said))
        self._outcome.serial = store.serial
        if committing.copy_is_due(store) or (ground.drift is not None and ground.drift.gap):
            committing.write_copy(self._cat, store, target, keys)
            store = self._cat.store(store.id)
            try:
                store = committing.trim(self._cat, store, target, records=session.job.retention is not None)
            except AccessDenied as error:
                self._outcome.notes.append(f"older full copies of the catalog were not deleted: {error.message}")
        ground.store = store
