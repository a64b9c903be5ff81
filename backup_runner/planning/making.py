"""Makes a plan from job, disk, catalog and bucket: scans, runs the planner, checks the guards, writes the spool."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import orjson

from ..catalog import history
from ..errors import UsageError
from ..options import PlanOptions
from ..progress import Events
from ..reasons import Cause, Reason
from ..records import Action, ActionKind, CatalogRow
from ..replacing import unnamed
from ..repository.drift import Drift
from ..repository.losses import lost_files
from ..repository.session import Session
from ..spec import Detect
from . import file as planfile
from .bucket import bucket_notes, look_at_bucket, serial_then
from .erasing import Erasing
from .facts import PlanFacts
from .file import Header
from .guards import CONTENT, GuardHit, weigh_bucket, weigh_cost
from .holders import Holders
from .hosted import HostedPruning, leftovers
from .knowledge import Policy
from .ledger import Ledger
from .notes import Noted, left_out, scan_notes
from .past import Past
from .paths import Brief, PathPlanner
from .pruning import Pruning, Upcoming
from .scanning import Scanning
from .spool import SpooledPlan

__all__ = ["SpooledPlan", "make_plan"]

_HISTORY = 120
"""Number of snapshots that a plan includes for reviewers."""


def make_plan(
    session: Session, options: PlanOptions, events: Events, *, meanwhile: Callable[[], None] = lambda: None
) -> SpooledPlan:
    """Compare the job with catalog and bucket, and spool the actions. Changes nothing.

    `meanwhile` is called once the scan runs in its process, while this one would wait for it. Guards that stop the
    plan are in `header.guards`; raising them is up to the caller."""
    scanned_ns, past, noted = time.time_ns(), Past.of(session), Noted()
    scanning = Scanning(session.job, options, past, noted.problem)
    try:
        # Slow parts run in parallel: the scan in a process, then scrypt on a thread. The process comes first: forking
        # with threads is unsafe.
        scanning.begin()
        if options.applies:
            session.stretch_ahead()
        meanwhile()
        drift = look_at_bucket(session, past, options, events, noted.notes)
        ignore_missing = "source_missing" in options.overrides
        facts = PlanFacts(session.job, past, drift.bad, scanning.totals, noted.problem, ignore_missing=ignore_missing)
        ledger = Ledger(session.job, past, facts, scanned_ns)
        holders = Holders(session, noted.notes, offline=options.offline)
        return _Planning(session, options, events, past, noted, scanning, drift, facts, ledger, holders).write()
    finally:
        scanning.close()


@dataclass
class _Planning:
    """Makes one plan; the scans of disk and bucket are already running."""

    session: Session
    options: PlanOptions
    events: Events
    past: Past
    noted: Noted
    scanning: Scanning
    drift: Drift
    facts: PlanFacts
    ledger: Ledger
    holders: Holders
    content_hits: list[GuardHit] | None = None
    prune_hits: list[GuardHit] = field(default_factory=list)

    def write(self) -> SpooledPlan:
        """The header comes first in the spool but is known last, so actions are written to a separate file first."""
        folder = self.session.job.work_directory
        with unnamed(folder) as body:
            for action in self._actions():
                body.write(orjson.dumps(planfile.action_fields(action)))
                body.write(b"\n")
            header = self._header()
            body.seek(0)
            spool = unnamed(folder)
            spool.writelines(planfile.write(header, (line[:-1] for line in body)))
            spool.flush()
        return SpooledPlan(header, spool=spool)

    # -- the stream of actions

    def _actions(self) -> Iterator[Action]:
        adopts = self.options.pruning != "only"
        if adopts and self.options.kinds is None:
            for action in self.holders.actions(self.past.store):
                yield self.ledger.add(action)
        kind, cause = (ActionKind.ADOPT, Cause.UNKNOWN_OBJECT) if adopts else (ActionKind.DELETE, Cause.LEFTOVER)
        store = self.past.store
        hosted = self.past.cat is not None and store is not None and bool(self.session.host_of(store))
        for item in leftovers(self.drift.unknown) if hosted else self.drift.unknown:
            yield self.ledger.add(Action(kind, Reason(cause), size=item.size, object_name=item.name))
        if adopts:
            yield from self._path_actions()
        self._losses()
        if self.options.pruning != "none":
            yield from self._pruning()

    def _pruning(self) -> Iterator[Action]:
        past, upcoming = self.past, None
        if past.cat is None or past.store is None or past.job_id is None:
            return
        if self.session.host_of(past.store):
            if self.options.forget or self.options.erase:
                raise UsageError(
                    "these backups are written by a host that only encrypts, and only the host writes their records",
                    hint="`forget` snapshots on the host, then delete what they alone needed here, with `prune JOB`",
                )
            hosted = HostedPruning(self.session, past.cat, past.store, self.noted.notes)
            yield from map(self.ledger.add, hosted.actions())
            self.prune_hits = hosted.hits
            return
        if self.options.pruning != "only":
            new = sum(self.ledger.totals.bytes.get(kind, 0) for kind in (ActionKind.UPLOAD, ActionKind.UPDATE))
            doubtful = any(hit.name in CONTENT for hit in self._content_hits())
            upcoming = Upcoming(self.ledger.scanned_ns, new, doubtful)
        overrides, notes = self.options.overrides, self.noted.notes
        pruning = Pruning(self.session, past.cat, past.store, past.job_id, upcoming, overrides, notes)
        pruning.chosen = self.options.forget
        if self.options.erase:
            wanted, here = self.options.erase, self.options.here
            pruning.erase = Erasing(self.session, past.cat, past.job_id, wanted, here)
        for action in pruning.actions():
            yield self.ledger.add(action)
        self.prune_hits = pruning.hits

    def _path_actions(self) -> Iterator[Action]:
        job, options, ledger, notes = self.session.job, self.options, self.ledger, self.noted.notes
        self.events.phase("scanning", files=self.scanning.expected)
        detect = Detect.CHECKSUM if options.checksum else job.detect
        planner = PathPlanner(Policy(job.overwrite, detect, job.reseal), self.facts)
        entries = chain.from_iterable(self.scanning.batches(self.events))
        for action in planner.run(entries, self._rows(detect)):
            if options.kinds is not None and action.kind not in options.kinds:
                ledger.leave(action)
                continue
            yield ledger.path(action)
        tally = planner.tally
        ledger.unchanged(tally)
        if gone := ledger.left_undone[ActionKind.REMOVE]:
            notes.append(f"{gone} file(s) no longer exist but stay listed; `file cleanup` removes them")
        if tally.held_before:
            names = ", ".join(key.decode("utf-8", "backslashreplace") for key in tally.held_examples)
            notes.append(f"{tally.held_before} changed file(s) held back by overwrite: never: {names}")

    def _rows(self, detect: Detect) -> Iterable[CatalogRow | Brief]:
        cat, job_id, scope = self.past.cat, self.past.job_id, self.options.scope
        if cat is None or job_id is None:
            return ()
        if not scope:
            reseals = self.session.job.reseal and self.facts.imports
            plain = detect is Detect.CTIME and not self.facts.damaged and not reseals
            return history.current_brief(cat, job_id) if plain else history.current(cat, job_id)
        return (row for row in history.current(cat, job_id) if any(_covers(key, row.key) for key in scope))

    def _losses(self) -> None:
        """Report every file whose only copy was in a damaged object and that no source has any more."""
        if self.past.cat is None or self.past.store is None:
            return
        for problem in lost_files(self.past.cat, self.drift, self.session.job.name, self.ledger.repaired):
            self.noted.problem(problem)

    # -- guards

    def _guards(self, cost: planfile.Fields | None) -> list[GuardHit]:
        store, drift = self.past.store, self.drift
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
            known, count = self.ledger.totals.known, self.past.count_files
            self.content_hits = self.ledger.scales.hits(self.scanning.totals, known=known, count_known=count)
        return self.content_hits

    # -- the header

    def _header(self) -> Header:
        job, past, drift, noted, overrides = self.session.job, self.past, self.drift, self.noted, self.options.overrides
        cost = self.ledger.cost.total()
        hits = self._guards(cost)
        overridden = [hit for hit in hits if hit.name in overrides]
        noted.notes += [f"guard {hit.name} overridden: {hit.message}" for hit in overridden]
        noted.notes += [*scan_notes(self.scanning.totals, drift.foreign), *noted.specials.notes()]
        noted.notes += bucket_notes(drift)
        self.ledger.totals.left_out = left_out(self.scanning.totals)
        return Header(
            plan_id=secrets.token_hex(16),
            job=job.name,
            job_file=os.path.abspath(job.file) if job.file else "",
            job_digest=job.digest(),
            lineage=past.store.lineage if past.store else "",
            serial=serial_then(past.store, drift),
            listing=drift.digest,
            created_ns=time.time_ns(),
            scanned_ns=self.ledger.scanned_ns,
            scope=[key.hex() for key in self.options.scope],
            totals=self.ledger.totals,
            problems=[planfile.path_fields(p.key) | {"problem": p.kind, "message": p.message} for p in noted.problems],
            problem_count=len(noted.problems),
            guards=[{"name": hit.name, "message": hit.message} for hit in hits if hit.name not in overrides],
            overridden=sorted({hit.name for hit in overridden}),
            notes=noted.notes,
            pruning=self.options.pruning,
            cost=cost,
            opens=self.holders.opens,
            history=[
                {"id": one.id, "scanned_ns": one.scanned_ns, "status": one.status, "totals": orjson.loads(one.totals)}
                for one in past.snapshots[-_HISTORY:]
            ],
        )


def _covers(scope: bytes, key: bytes) -> bool:
    root = scope.rstrip(b"/")
    return not root or key.rstrip(b"/") == root or key.startswith(root + b"/")
