"""Does what a plan says and records it: the only place where a job changes its catalog or its bucket.

Order: the snapshot opens, orphans are adopted, paths are stored (object first, then the transaction that records it),
the snapshot closes, the record goes into the bucket, and only then is anything deleted.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field

import orjson

from ..catalog import Catalog, CatalogLock
from ..catalog.browsing import bytes_now
from ..catalog.database import Store
from ..catalog.history import count_files
from ..catalog.recording import Recorder
from ..container.keys import Keyring
from ..errors import AccessDenied, CatalogError, ForkedError, GuardError, Interrupted, StalePlanError
from ..options import ApplyOptions
from ..planning.file import Header
from ..planning.guards import CONTENT
from ..planning.making import Plan
from ..progress import Events, Outcome
from ..records import Action, ActionKind, Problem, StoredObject
from ..repository import commits as committing
from ..repository.adopting import adopt
from ..repository.drift import Drift, look, note, settle
from ..repository.lease import Lease
from ..repository.leftovers import drop_leftovers
from ..repository.session import Session
from ..source.tree import Tree
from ..workers.interrupt import Interrupt
from . import retirement as retiring
from .firsts import first_note, give_way, make_way, refuse_known_job, two_lineages
from .losses import Losses
from .paths import PathApplier
from .worker import Setting

_ABANDONED = 86_400.0
"""Seconds after which an upload that no journal here knows is taken for abandoned."""
_PRUNING = {ActionKind.FORGET, ActionKind.DELETE, ActionKind.REPACK}


def apply_plan(session: Session, plan: Plan, options: ApplyOptions, events: Events, interrupt: Interrupt) -> Outcome:
    """Carry out a plan. Raises StalePlanError if job, catalog or bucket moved since it was made, GuardError if a
    guard stops it, ForkedError if another machine committed first; then nothing was changed, or the message says
    what. An interrupt comes back as an outcome, with `interrupted` set and what was finished recorded."""
    started = time.monotonic()
    _raise_guards(plan.header, options)
    with CatalogLock(session.job.catalog.path, wait_seconds=options.wait_seconds):
        run = _Run(session, plan, options, events, interrupt)
        try:
            run.check()
            if plan.header.pruning == "only":
                run.carry_out_pruning()
            else:
                run.carry_out()
        finally:
            run.release()
            run.outcome.seconds = time.monotonic() - started
        return run.outcome


def _raise_guards(header: Header, options: ApplyOptions) -> None:
    hits = [guard for guard in header.guards if guard["name"] not in options.overrides]
    if hits:
        names = " ".join(f"--override-guard {name}" for name in sorted({guard["name"] for guard in hits}))
        raise GuardError(
            "; ".join(guard["message"] for guard in hits),
            hint=f"nothing was changed. If this is meant, plan and apply with {names}",
        )


@dataclass
class _Run:
    session: Session
    plan: Plan
    options: ApplyOptions
    events: Events
    interrupt: Interrupt
    outcome: Outcome = field(default_factory=Outcome)
    lease: Lease | None = None
    drift: Drift | None = None
    orphans: list[StoredObject] = field(default_factory=list)
    """What a killed run of this very plan left in the bucket."""
    began: float = field(default_factory=time.time)

    # -- is this plan still what was reviewed?

    def check(self) -> None:
        """Find or make the store, and refuse a plan that is stale."""
        session, header = self.session, self.plan.header
        keyring = session.keyring
        cat = self.cat = self._open_catalog()
        if header.job_digest != session.job.digest():
            raise StalePlanError("the job file changed since the plan was made", hint="plan again")
        state = cat.plan_state(header.plan_id)
        if state == "finished":
            raise StalePlanError("this plan was applied already", hint="plan again")
        store = session.store()
        if store is not None:
            session.check_key(store)
            store = committing.resolve_pending(cat, store, session.target, keyring)
        here = (store.lineage, store.serial) if store else ("", 0)
        # A killed run may have made the store already; its own plan goes on all the same.
        begun = state == "started" and header.lineage == "" and here[1] == 0
        if here != (header.lineage, header.serial) and not begun:
            raise StalePlanError("the catalog moved on since the plan was made", hint="plan again")
        if store is None:
            store = self._new_store(keyring)
            self._take_lease(store, keyring, first_note(session))
            if self.lease is not None and not self.options.new_lineage:
                make_way(session, cat, store, self.lease)
        elif store.state == "forked":
            raise ForkedError(
                "another machine went on with this lineage; what this catalog has since then is not recorded",
                hint="fetch the newer state with `catalog pull JOB`",
            )
        elif header.listing:
            self._take_lease(store, keyring)
            self.events.phase("listing the bucket")
            found = look(cat, store, session.target, keyring=lambda: keyring)
            if state == "started":
                self.orphans = found.unknown
            elif found.digest != header.listing:
                raise StalePlanError("the bucket changed since the plan was made", hint="plan again")
            self.drift = found
        else:
            self._take_lease(store, keyring)
        self.store = store

    def _take_lease(self, store: Store, keyring: Keyring, more: dict[str, object] | None = None) -> None:
        keyring.stretch(store.salt)
        self.lease = Lease(store, self.session.target, keyring, self.outcome.notes.append, more)
        self.lease.take(self.options.wait_seconds)

    def release(self) -> None:
        if self.lease is not None:
            self.lease.release()

    def _stop(self) -> bool:
        """Asked between all steps, so the lease is renewed here too."""
        if self.lease is not None:
            self.lease.renew()
        return self.interrupt.requested

    def _open_catalog(self) -> Catalog:
        return self.session.catalog(create=True) or self.session.need_catalog()

    def _new_store(self, keyring: Keyring) -> Store:
        session = self.session
        if not self.options.new_lineage:
            refuse_known_job(session)
        with self.cat.transaction():
            return self.cat.add_store(
                target=session.target.identity,
                key_id=keyring.crypto_key.key_id,
                lineage=os.urandom(16).hex(),
                salt=session.new_salt,
            )

    # -- doing it

    def carry_out(self) -> None:
        header, job = self.plan.header, self.session.job
        cat, store = self.cat, self.store
        keyring = self.session.keyring
        began = time.time_ns()
        with cat.transaction():
            if (job_id := cat.job_id(store.id, job.name)) is None:
                job_id = cat.add_job(store.id, job.name)
            # Files are read from now on, however old the plan is: the snapshot is of this time, not the plan's.
            snapshot_id = cat.open_snapshot(
                job_id,
                scanned_ns=began,
                started_ns=began,
                plan_id=header.plan_id,
                scope=orjson.dumps(header.scope).decode(),
            )
            cat.use_plan(header.plan_id, store.id, snapshot_id)
            note(cat, self.drift)
        self.outcome.snapshot_id = snapshot_id
        spoke = {*header.overridden, *(guard["name"] for guard in header.guards)}
        self.outcome.overridden = sorted(spoke & CONTENT)
        self.outcome.unchanged = header.totals.unchanged
        recorder = Recorder(cat, store.id, job_id, snapshot_id)
        pruning = self._paths(recorder, keyring)
        self._finish(recorder, keyring, pruning)

    def carry_out_pruning(self) -> None:
        """A plan of `prune`: no snapshot is made, only what the plan named is forgotten and deleted."""
        cat, header = self.cat, self.plan.header
        job_id = cat.job_id(self.store.id, self.session.job.name)
        if job_id is None:
            raise CatalogError(f'the catalog knows no job "{self.session.job.name}"', hint="apply it first")
        with cat.transaction():
            cat.use_plan(header.plan_id, self.store.id, None)
        actions = list(self.plan.actions())
        retirement = self._retirement(actions, job_id)
        retirement.prepare()
        with cat.transaction():
            retirement.mark()
            cat.finish_plan(header.plan_id)
        self.commit_record(self.session.keyring)
        retirement.delete()

    def _retirement(self, actions: list[Action], job_id: int) -> retiring.Retirement:
        return retiring.Retirement(
            self.session,
            self.cat,
            self.store,
            job_id,
            actions,
            self.events,
            self.outcome,
            self._stop,
            strays={item.name for item in self.drift.unknown} if self.drift else (),
        )

    def _paths(self, recorder: Recorder, keyring: Keyring) -> list[Action]:
        """All actions but those that forget and delete, which come back as a list."""
        job, store = self.session.job, self.store
        tier = getattr(job.target, "storage_tier", "Standard")
        workers = self.options.workers or os.cpu_count() or 1
        target = self.session.target
        setting = Setting(
            Tree((source.key, source.path) for source in job.sources),
            target,
            keyring,
            store.salt,
            bytes.fromhex(store.lineage),
            str(tier),
        )
        header = self.plan.header
        applier = PathApplier(
            self.session,
            recorder,
            setting,
            self.events,
            self.outcome,
            workers=workers,
            losses=self._losses(recorder),
            stop=self._stop,
            children=self.interrupt.children,
        )
        counts = header.totals.counts
        size = sum(header.totals.bytes.get(kind, 0) for kind in ("upload", "update", "repair"))
        self.events.phase(
            "backing up", files=sum(counts.get(kind, 0) for kind in ("upload", "update", "repair")), size=size
        )
        pruning: list[Action] = []
        try:
            for item in self.orphans:
                self._adopt(Action(ActionKind.ADOPT, "", size=item.size, object_name=item.name), keyring)
            for action in self.plan.actions():
                if action.kind in _PRUNING:
                    pruning.append(action)
                elif action.kind is ActionKind.ADOPT:
                    self._adopt(action, keyring)
                else:
                    applier.handle(action)
            applier.finish()
        except Interrupted:
            self.outcome.interrupted = True
            applier.wind_up()
        finally:
            applier.close()
            self.outcome.stored_bytes += applier.small.stored_bytes
            self.outcome.stored_objects += applier.small.stored_objects
        self._added, self._removed = recorder.added, applier.removed
        return pruning

    def _losses(self, recorder: Recorder) -> Losses:
        overrides = self.options.overrides | set(self.plan.header.overridden)
        known = self.plan.header.totals.known
        return Losses(self.session.job, known, lambda key: count_files(self.cat, recorder.job_id, key), overrides)

    def _adopt(self, action: Action, keyring: Keyring) -> None:
        why_not = adopt(self.cat, self.store, self.session.target, keyring, action.object_name)
        if why_not:
            self.outcome.notes.append(f"{action.object_name} was not adopted: {why_not}")
        name = action.kind.value
        self.outcome.counts[name] = self.outcome.counts.get(name, 0) + 1
        self.outcome.bytes[name] = self.outcome.bytes.get(name, 0) + action.size

    def _finish(self, recorder: Recorder, keyring: Keyring, pruning: list[Action]) -> None:
        outcome, header = self.outcome, self.plan.header
        read_until = time.time_ns()
        named = {(problem.key, problem.kind) for problem in outcome.problems}
        for fields in header.problems:
            if (_key(fields), fields["problem"]) not in named:
                outcome.problems.append(Problem(_key(fields), fields["problem"], fields["message"]))
        outcome.status = "partial" if outcome.interrupted else "complete"
        totals = {
            "files": max(0, header.totals.known + self._added - self._removed),
            "bytes": self._bytes_before(recorder) + recorder.gained,
            "added": self._added,
            "changed": sum(outcome.counts.get(kind, 0) for kind in ("update", "repair")),
            "removed": self._removed,
            "counts": outcome.counts,
            "folders": outcome.folders,
            "stored_bytes": outcome.stored_bytes,
            "problems": len(outcome.problems),
        }
        if outcome.overridden:
            # Retention lets such a snapshot displace no other.
            totals["overridden"] = outcome.overridden
        cat = self.cat
        # Only a complete snapshot lets anything be deleted, and only once its record, marks included, is in the bucket.
        retirement = None if outcome.interrupted else self._retirement(pruning, recorder.job_id)
        if retirement:
            retirement.prepare()
        self.events.phase("recording")
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
                settle(cat, self.drift)
        self.commit_record(keyring)
        if retirement:
            retirement.delete()
        if not outcome.interrupted and not header.scope:
            self._drop_leftovers()

    def _bytes_before(self, recorder: Recorder) -> int:
        """Bytes of the job's files before this snapshot: the last one says so, unless it was killed."""
        earlier = [s for s in self.cat.snapshots(recorder.job_id) if s.id < recorder.snapshot_id]
        if not earlier:
            return 0
        known = orjson.loads(earlier[-1].totals).get("bytes")
        return int(known) if known is not None else bytes_now(self.cat, recorder.job_id) - recorder.gained

    def _drop_leftovers(self) -> None:
        # Who holds the lease is alone with the lineage; without one, another machine may be at work.
        alone = self.lease is not None and self.lease.held
        before = self.began if alone else self.began - _ABANDONED
        note = drop_leftovers(self.cat, self.store, self.session.job.name, self.session.target, before=before)
        if note:
            self.outcome.notes.append(note)

    def commit_record(self, keyring: Keyring) -> None:
        """Put the record of all that changed, and a full copy where the records have grown long."""
        target = self.session.target
        first = self.store.serial == 0 and not self.options.new_lineage
        if first:
            give_way(self.session, self.cat, self.store)
        self.store = committing.commit(self.cat, self.store, target, keyring)
        if first and (said := two_lineages(self.session, self.store)):
            self.outcome.problems.append(Problem(b"", "two-lineages", said))
        self.outcome.serial = self.store.serial
        if committing.copy_is_due(self.store) or (self.drift is not None and self.drift.gap):
            committing.write_copy(self.cat, self.store, target, keyring)
            self.store = self.cat.store(self.store.id)
            try:
                retention = self.session.job.retention is not None
                self.store = committing.trim(self.cat, self.store, target, records=retention)
            except AccessDenied as error:
                self.outcome.notes.append(f"older full copies of the catalog stay in the bucket: {error.message}")


def _key(fields: dict[str, str]) -> bytes:
    from ..planning.file import key_of

    return key_of(fields)
