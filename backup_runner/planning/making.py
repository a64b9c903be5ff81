"""Makes a plan from job, disk, catalog and bucket: scans, runs the planner, checks the guards, writes the spool."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain

import orjson

from ..catalog import Catalog, history
from ..catalog.database import Store
from ..catalog.retirement import holders
from ..options import PlanOptions
from ..progress import Events
from ..reasons import Cause, Reason
from ..records import Action, ActionKind, CatalogRow, Digests, EntryFields, Kind, Problem
from ..replacing import unnamed
from ..repository.damage import damage_text
from ..repository.drift import Drift, listing_digest, look
from ..repository.session import Session
from ..source.process import ScanProcess
from ..source.walk import ScanTotals, scan_fields
from ..spec import Detect
from . import file as planfile
from .costing import PlanCost
from .facts import PlanFacts
from .file import Header, Totals
from .guards import CONTENT, GuardHit, weigh_bucket, weigh_cost
from .holders import Holders
from .hosted import HostedPruning, leftovers
from .known import look_at_known
from .notes import Specials, bucket_notes, left_out, scan_notes
from .paths import Brief, PathPlanner, Policy
from .pruning import Pruning, Upcoming
from .sources import scan_settings
from .spool import Plan
from .weighing import Scales

__all__ = ["Plan", "make_plan"]

_MAX_NAMED = 1000
_HISTORY = 120
"""Number of snapshots that a plan includes for reviewers."""
_WORTH_A_PROCESS = 10_000


def make_plan(session: Session, options: PlanOptions, events: Events) -> Plan:
    """Compare the job with catalog and bucket, and spool the actions. Changes nothing.

    Guards that stop the plan are in `header.guards`; raising them is up to the caller."""
    return _Planning(session, options, events).run()


@dataclass
class _Planning:
    session: Session
    options: PlanOptions
    events: Events
    totals: Totals = field(default_factory=Totals)
    scan_totals: ScanTotals = field(default_factory=ScanTotals)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    specials: Specials = field(default_factory=Specials)
    content_hits: list[GuardHit] | None = None
    prune_hits: list[GuardHit] = field(default_factory=list)
    repaired: set[int] = field(default_factory=set)
    left_undone: Counter[ActionKind] = field(default_factory=Counter)
    scanning: ScanProcess | None = None

    def run(self) -> Plan:
        job = self.session.job
        cat = self.session.catalog()
        store = self.session.store()
        self.job_id = cat.job_id(store.id, job.name) if cat and store else None
        self.expected = self._known(cat)
        self.scanned_ns = time.time_ns()
        try:
            self._begin()
            drift = self._drift(cat, store)
            self.facts = PlanFacts(
                self.session,
                cat,
                store,
                self.job_id,
                drift.bad,
                self.scan_totals,
                self._problem,
                ignore_missing="source_missing" in self.options.overrides,
            )
            self.scales = Scales(job)
            self.holders = Holders(self.session, self.notes, offline=self.options.offline)
            self.cost = PlanCost(job, cat, store, self.scanned_ns)
            return self._write(cat, store, drift)
        finally:
            if self.scanning:
                self.scanning.close()

    def _begin(self) -> None:
        """Start what takes long beside the rest: the scan in a process, then scrypt on a thread (after the fork)."""
        # For a tree known to be small, starting a process costs more than it saves.
        small = 0 < self.expected <= _WORTH_A_PROCESS
        if not small and not self.options.known_only and self.options.pruning != "only":
            self.scanning = ScanProcess(*scan_settings(self.session.job))
        if self.options.applies:
            self.session.stretch_ahead()
            # Loads the modules of the apply, which takes time, while this process waits for the scan.
            import_module("backup_runner.applying.run")

    def _write(self, cat: Catalog | None, store: Store | None, drift: Drift) -> Plan:
        """The header comes first but is known last, so actions go to a separate file first."""
        folder = self.session.job.work_directory
        with unnamed(folder) as body:
            for action in self._actions(cat, store, drift):
                body.write(orjson.dumps(planfile.action_fields(action)))
                body.write(b"\n")
            header = self._header(store, drift)
            body.seek(0)
            spool = unnamed(folder)
            spool.writelines(planfile.write(header, (line[:-1] for line in body)))
            spool.flush()
        return Plan(header, spool=spool)

    # -- the stream of actions

    def _actions(self, cat: Catalog | None, store: Store | None, drift: Drift) -> Iterator[Action]:
        adopts = self.options.pruning != "only"
        if adopts and self.options.kinds is None:
            for action in self.holders.actions(store):
                yield self._count(action)
        kind, cause = (ActionKind.ADOPT, Cause.UNKNOWN_OBJECT) if adopts else (ActionKind.DELETE, Cause.LEFTOVER)
        hosted = cat is not None and store is not None and bool(self.session.host_of(store))
        for item in leftovers(drift.unknown) if hosted else drift.unknown:
            yield self._count(Action(kind, Reason(cause), size=item.size, object_name=item.name))
        if adopts:
            yield from self._path_actions(cat)
        if cat is not None and store is not None:
            self._losses(cat, drift)
            if self.options.pruning != "none" and self.job_id is not None:
                yield from self._pruning(cat, store, self.job_id)

    def _pruning(self, cat: Catalog, store: Store, job_id: int) -> Iterator[Action]:
        if self.session.host_of(store):
            hosted = HostedPruning(self.session, cat, store, self.notes)
            yield from map(self._count, hosted.actions())
            self.prune_hits = hosted.hits
            return
        upcoming = None
        if self.options.pruning != "only":
            new = sum(self.totals.bytes.get(kind, 0) for kind in (ActionKind.UPLOAD, ActionKind.UPDATE))
            doubtful = any(hit.name in CONTENT for hit in self._content_hits())
            upcoming = Upcoming(self.scanned_ns, new, doubtful)
        pruning = Pruning(self.session, cat, store, job_id, upcoming, self.options.overrides, self.notes)
        for action in pruning.actions():
            yield self._count(action)
        self.prune_hits = pruning.hits

    def _path_actions(self, cat: Catalog | None) -> Iterator[Action]:
        job = self.session.job
        self.events.phase("scanning", files=self.expected)
        self.detect = Detect.CHECKSUM if self.options.checksum else job.detect
        planner = PathPlanner(Policy(job.overwrite, self.detect, job.reseal), self.facts)
        entries = chain.from_iterable(self._batches(cat))
        for action in planner.run(entries, self._rows(cat)):
            if self.options.kinds is not None and action.kind not in self.options.kinds:
                self.left_undone[action.kind] += action.entry_kind != Kind.DIRECTORY
                continue
            self.scales.add(action)
            self._note_repair(action)
            yield self._count(action)
        tally = planner.tally
        self.totals.unchanged, self.totals.unchanged_bytes = tally.unchanged, tally.unchanged_bytes
        self.totals.held_before, self.totals.known = tally.held_before, tally.known
        self.totals.kept_unseen = tally.kept_unseen
        if gone := self.left_undone[ActionKind.REMOVE]:
            self.notes.append(f"{gone} file(s) no longer exist but stay listed; `file cleanup` removes them")
        if tally.held_before:
            names = ", ".join(_text(key) for key in tally.held_examples)
            self.notes.append(f"{tally.held_before} changed file(s) held back by overwrite: never: {names}")

    def _batches(self, cat: Catalog | None) -> Iterator[Sequence[EntryFields]]:
        job = self.session.job
        if self.options.known_only:
            if cat is not None and self.job_id is not None:
                yield from look_at_known(cat, self.job_id, job, self.scan_totals, self._problem)
            return
        batches: Iterator[list[EntryFields]]
        if self.scanning:
            batches = self.scanning.batches(totals=self.scan_totals, on_problem=self._problem)
        else:
            sources, options = scan_settings(self.session.job)
            batches = scan_fields(sources, options, totals=self.scan_totals, on_problem=self._problem)
        for batch in batches:
            self.events.advance(len(batch), 0)
            yield batch

    def _rows(self, cat: Catalog | None) -> Iterable[CatalogRow | Brief]:
        if cat is None or self.job_id is None:
            return ()
        if not self.options.scope:
            reseals = self.session.job.reseal and self.facts.imports
            plain = self.detect is Detect.CTIME and not self.facts.damaged and not reseals
            return history.current_brief(cat, self.job_id) if plain else history.current(cat, self.job_id)
        rows = history.current(cat, self.job_id)
        scope = self.options.scope
        return (row for row in rows if any(_covers(key, row.key) for key in scope))

    def _known(self, cat: Catalog | None) -> int:
        last = cat.last_complete(self.job_id) if cat and self.job_id is not None else None
        return int(orjson.loads(last.totals).get("files", 0)) if last else 0

    # -- bucket

    def _drift(self, cat: Catalog | None, store: Store | None) -> Drift:
        if self.options.offline:
            self.notes.append("offline: the bucket was not checked")
            return Drift() if cat and store else Drift(digest=listing_digest([]))
        self.events.phase("listing the bucket")
        if cat is None or store is None:
            # One name is enough: a bucket that cannot be reached should be reported now, not by the apply.
            if next(iter(self.session.target.list()), None) is not None:
                self.notes.append(
                    "the bucket contains objects that are not in the local catalog; `catalog info` shows whose they are"
                )
            return Drift(digest=listing_digest([]))
        found = look(cat, store, self.session.target, identity=lambda: self.session.unlock(store))
        if found.noise:
            self.notes.append(f"ignored {found.noise} object(s) with names of records that this key cannot decrypt")
        return found

    def _note_repair(self, action: Action) -> None:
        content_id = action.content_id if action.kind is ActionKind.REPAIR else None
        if self.facts.damaged and action.kind in (ActionKind.UPLOAD, ActionKind.UPDATE) and action.blake3:
            # A lost content under another name: storing it repairs all references to it.
            content_id = self.facts.known(Digests(action.size, action.blake3, b""))
        if content_id is not None:
            self.repaired.add(content_id)

    def _losses(self, cat: Catalog, drift: Drift) -> None:
        """Report every file whose only copy was in a bad object and that no source has any more."""
        lost = {
            content_id: object_id
            for content_id, object_id in history.contents_in(cat, sorted(drift.fresh))
            if content_id not in self.repaired
        }
        for content_id, key, first, last, job in holders(cat, lost):
            when = f"snapshot {first}" if first == last else f"snapshots {first} to {last}"
            # Another job's own plan knows what its sources still have.
            when += "" if job == self.session.job.name else f' of job "{job}", unless its own plan repairs it'
            self._problem(Problem(key, "lost", f"lost from {when}: {damage_text(drift.bad[lost[content_id]])}"))

    # -- counting

    def _count(self, action: Action) -> Action:
        self.totals.add(action)
        self.cost.add(action)
        return action

    def _problem(self, problem: Problem) -> None:
        if problem.kind == "special":
            self.specials.add(problem)
            return
        # A file may be hashed for two reasons; if it cannot be read, that is one problem.
        if problem not in self.problems[-2:]:
            self.problems.append(problem)

    def _guards(self, store: Store | None, drift: Drift, cost: planfile.Fields | None) -> list[GuardHit]:
        hits: list[GuardHit] = [*self.prune_hits]
        if store and drift.digest:
            absence = self.session.target.absence
            hits += weigh_bucket(newest=drift.newest_record, known=store.serial, absence=absence)
        if self.options.pruning == "only":
            return hits
        return [*hits, *weigh_cost(cost, self.session.job.guards), *self._content_hits()]

    def _content_hits(self) -> list[GuardHit]:
        """The guards that the sources trigger; known once all path actions are."""
        if self.content_hits is None:
            cat, job_id = self.session.catalog(), self.job_id
            self.content_hits = self.scales.hits(
                self.scan_totals,
                known=self.totals.known,
                count_known=lambda key: history.count_files(cat, job_id, key) if cat and job_id is not None else 0,
            )
        return self.content_hits

    def _header(self, store: Store | None, drift: Drift) -> Header:
        job = self.session.job
        cost = self.cost.total()
        hits = self._guards(store, drift, cost)
        overridden = [hit for hit in hits if hit.name in self.options.overrides]
        self.notes += [f"guard {hit.name} overridden: {hit.message}" for hit in overridden]
        self.totals.left_out = left_out(self.scan_totals)
        self.notes += [*scan_notes(self.scan_totals, drift.foreign), *self.specials.notes()]
        self.notes += bucket_notes(drift)
        if drift.gap:
            self.notes.append(f"{drift.gap}; an apply uploads a full copy")
        return Header(
            plan_id=secrets.token_hex(16),
            job=job.name,
            job_file=os.path.abspath(job.file) if job.file else "",
            job_digest=job.digest(),
            lineage=store.lineage if store else "",
            serial=_serial(store, drift),
            listing=drift.digest,
            created_ns=time.time_ns(),
            scanned_ns=self.scanned_ns,
            scope=[key.hex() for key in self.options.scope],
            totals=self.totals,
            problems=[
                planfile.path_fields(p.key) | {"problem": p.kind, "message": p.message}
                for p in self.problems[:_MAX_NAMED]
            ],
            problem_count=len(self.problems),
            guards=[
                {"name": hit.name, "message": hit.message} for hit in hits if hit.name not in self.options.overrides
            ],
            overridden=sorted({hit.name for hit in overridden}),
            notes=self.notes,
            pruning=self.options.pruning,
            cost=cost,
            opens=self.holders.opens,
            history=self._history(),
        )

    def _history(self) -> list[planfile.Fields]:
        cat = self.session.catalog()
        found = cat.snapshots(self.job_id)[-_HISTORY:] if cat and self.job_id is not None else []
        return [
            {"id": one.id, "scanned_ns": one.scanned_ns, "status": one.status, "totals": orjson.loads(one.totals)}
            for one in found
        ]


def _serial(store: Store | None, drift: Drift) -> int:
    """The serial that the catalog will have when this plan is applied: a killed run's record counts if it arrived."""
    if store is None:
        return 0
    return store.serial + 1 if store.pending and drift.newest_record == store.serial + 1 else store.serial


def _covers(scope: bytes, key: bytes) -> bool:
    root = scope.rstrip(b"/")
    return not root or key.rstrip(b"/") == root or key.startswith(root + b"/")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
