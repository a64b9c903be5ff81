"""What a plan forgets, deletes and repacks: the snapshots that retention expires, and the objects they free."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..catalog import Catalog, CatalogLock, erasing, retirement
from ..catalog.database import Snapshot, Store
from ..catalog.retirement import Worth
from ..errors import UsageError
from ..moments import HIGHEST_NS
from ..policy import StoringPolicy
from ..reasons import Cause, Reason
from ..records import Action, ActionKind
from ..repository.session import Session
from ..spec import Job, Retention, TargetSpec
from ..spec.target import STANDARD
from .erasing import Erasing
from .guards import GuardHit, weigh_pruning
from .retention import SnapshotTime, expire

_LARGEST_PACK = StoringPolicy().largest_pack
_DAY_NS = 86_400 * 10**9


class Upcoming(NamedTuple):
    """The snapshot that the apply will make: its time, its new bytes, and whether guards were overridden for it."""

    time_ns: int
    size: int
    doubtful: bool


@dataclass
class Pruning:
    """What one plan deletes. After `actions`, `hits` are the guards that stop it, and `notes` has the rest.

    With an `upcoming` snapshot, guards stop only the pruning, not the backup; `overrides` are guards to ignore."""

    session: Session
    cat: Catalog
    store: Store
    job_id: int
    upcoming: Upcoming | None
    overrides: Collection[str]
    notes: list[str] = field(default_factory=list)
    chosen: tuple[int, ...] = ()
    """Snapshots that somebody named, to be forgotten in place of those that no rule keeps."""
    erase: Erasing | None = None
    """Paths that somebody named, to be deleted from all snapshots."""
    hits: list[GuardHit] = field(default_factory=list)

    def actions(self) -> Iterator[Action]:
        """Actions for what retention forgets and frees, and for deletions that an earlier run began."""
        begun = set()
        blind = self.session.is_blind
        for _, name, size in retirement.marked(self.cat, self.store.id):
            begun.add(name)
            if blind:
                # Said once, when it was marked; deleting it is for others.
                continue
            yield Action(ActionKind.DELETE, Reason(Cause.DELETION_BEGUN), size=size, object_name=name)
        rules = self.session.job.retention
        if rules is None and self.upcoming is not None:
            return
        erasing.start(self.cat)
        if self.erase:
            yield from self.erase.actions(self.notes)
        if self.chosen or self.erase:
            forget = _chosen(self.cat.snapshots(self.job_id), self.chosen)
        else:
            forget = self._expired(rules) if rules else {}
        asked = bool(forget) or self.erase is not None or self.upcoming is not None
        frees = asked and retirement.frees(self.cat, self.job_id, forget)
        if (forget or self.erase) and not self._weigh(forget, frees=frees):
            return
        yield from (Action(ActionKind.FORGET, reason, snapshot_id=number) for number, reason in forget.items())
        if self.upcoming is not None and not frees:
            # Finding garbage reads the whole catalog; `prune` always does, `apply` only if something expires.
            return
        yield from self._objects(forget, rules or Retention(), begun)

    def _objects(self, forget: dict[int, Reason], rules: Retention, begun: set[str]) -> Iterator[Action]:
        now_ns, tiers = time.time_ns(), _tiers(self.session.job.target)
        found = retirement.worths(self.cat, self.store.id, self.job_id, forget, imported=rules.keep_imported)
        # `found` is read as it is consumed, and what only erased paths needed is known once it began.
        rewrite: set[str] | None = None
        packed = unused = 0
        for worth in found:
            if rewrite is None:
                rewrite = erasing.objects_to_rewrite(self.cat, self.store.id) if self.erase else set()
            if worth.name in begun:
                continue
            judged = _judge_erased if worth.name in rewrite else _judge
            if (action := judged(worth, rules, now_ns, self.notes, tiers)) is None:
                continue
            if action.kind is ActionKind.DELETE or not self.session.is_blind:
                yield action
                continue
            packed, unused = packed + 1, unused + worth.plain - worth.live
        if packed:
            self.notes.append(
                f"{packed} mostly unused pack(s) stay, with {unused} bytes that no snapshot needs: repacking reads "
                "them, and this host only encrypts. A pack is deleted once nothing in it is needed"
            )

    def _expired(self, rules: Retention) -> dict[int, Reason]:
        known = self.cat.snapshots(self.job_id)
        snapshots = _times(known, rules)
        if self.upcoming is not None:
            # The apply marks snapshots of killed runs as partial. A plan ignores one that is running.
            if not CatalogLock.is_held(self.cat.path):
                snapshots = [s._replace(status="partial") if s.status == "running" else s for s in snapshots]
            newest = max((s.id for s in snapshots), default=0)
            snapshots.append(
                SnapshotTime(
                    newest + 1, self.upcoming.time_ns, "complete", self.upcoming.doubtful, self.session.job.tags
                )
            )
        forget = _let_go(known, snapshots, self.session.job)
        self._note_doubts(known, snapshots, forget)
        return forget

    def _note_doubts(self, known: list[Snapshot], snapshots: list[SnapshotTime], forget: dict[int, Reason]) -> None:
        doubtful = [f"snapshot {s.id}" for s in snapshots if s.doubtful]
        if not doubtful:
            return
        if self.upcoming is not None and self.upcoming.doubtful:
            doubtful[-1] = "the snapshot that this plan makes"
        kept = len(_let_go(known, [s._replace(doubtful=False) for s in snapshots], self.session.job)) - len(forget)
        if kept > 0:
            self.notes.append(
                f"made with guards overridden, so they do not replace other snapshots: {', '.join(doubtful)}; "
                f"{kept} more snapshot(s) are kept for that reason"
            )

    def _weigh(self, forget: dict[int, Reason], *, frees: bool) -> bool:
        """Whether the guards allow the pruning; for a backup, a note says if they do not."""
        guards = self.session.job.prune_guards
        complete = {s.id for s in self.cat.snapshots(self.job_id) if s.status == "complete"}
        freed = stored = 0
        if frees and guards.max_free_percent < 100:
            retirement.find_living(self.cat, self.job_id, forget)
            freed, stored = retirement.freed_bytes(self.cat, self.store.id)
        found = weigh_pruning(
            forgotten=len(complete & forget.keys()),
            complete=len(complete),
            freed=freed,
            stored=stored + (self.upcoming.size if self.upcoming else 0),
            guards=guards,
        )
        self.hits = list(found)
        stopping = [hit for hit in self.hits if hit.name not in self.overrides]
        if self.upcoming is None or not stopping:
            return True
        self.hits = []
        names = " ".join(f"--override-guard {hit.name}" for hit in stopping)
        said = "; ".join(hit.message for hit in stopping)
        self.notes.append(f"nothing is forgotten or deleted: {said}. If this is intended, run `prune JOB {names}`")
        return False


def _chosen(known: list[Snapshot], chosen: Collection[int]) -> dict[int, Reason]:
    """Raises UsageError for snapshots that are not there, or of which one has to stay."""
    there = {one.id: one for one in known}
    newest = max((one.id for one in known if one.status == "complete"), default=None)
    for number in chosen:
        if number not in there:
            raise UsageError(f"there is no snapshot {number}", hint="`snapshots JOB` lists them")
        if number == newest:
            raise UsageError(
                f"snapshot {number} is the newest complete one and cannot be forgotten",
                hint="apply the job first, then forget it",
            )
        if there[number].status == "running":
            raise UsageError(f"snapshot {number} is being made", hint="wait for its apply to finish")
    return {number: Reason(Cause.CHOSEN, details=(there[number].date_text,)) for number in sorted({*chosen})}


def expired_now(cat: Catalog, job_id: int, job: Job, *, completing: int | None, doubtful: bool) -> dict[int, Reason]:
    """Snapshots that no rule keeps once the running snapshot `completing` is complete, with reasons, by id."""
    if job.retention is None:
        return {}
    known = cat.snapshots(job_id)
    snapshots = [
        s._replace(status="complete", doubtful=doubtful) if s.id == completing else s
        for s in _times(known, job.retention)
    ]
    return _let_go(known, snapshots, job)


def _let_go(known: list[Snapshot], snapshots: list[SnapshotTime], job: Job) -> dict[int, Reason]:
    assert job.retention is not None
    now_ns = time.time_ns()
    reasons = expire(snapshots, job.retention, now_ns, None)
    young = now_ns - job.prune_guards.min_age * 10**9 if job.prune_guards.min_age else HIGHEST_NS
    return {
        s.id: Reason(Cause.EXPIRED, details=(s.date_text,))
        for s in known
        if not reasons[s.id] and s.scanned_ns <= young
    }


def _times(known: list[Snapshot], rules: Retention) -> list[SnapshotTime]:
    found = []
    for one in known:
        totals = json.loads(one.totals)
        status = "rebuilt" if rules.keep_rebuilt and "rebuilt" in totals else one.status
        found.append(SnapshotTime(one.id, one.scanned_ns, status, bool(totals.get("overridden")), one.about.tags))
    return found


class _Tiers(NamedTuple):
    """What counts about storage tiers: days that each charges at least, and those that cannot be read."""

    minimum_days: Mapping[str, int]
    archives: frozenset[str]


def _tiers(target: TargetSpec) -> _Tiers:
    tariff = target.tariff(None)
    return _Tiers(tariff.minimum_days if tariff else {}, target.archive_tiers)


def _judge_erased(worth: Worth, rules: Retention, now_ns: int, notes: list[str], tiers: _Tiers) -> Action | None:
    """An object with bytes of a path that somebody wants gone: whatever it costs, and however little of it is dead."""
    if not worth.live:
        if worth.state != "marked" and now_ns - worth.created_ns < tiers.minimum_days.get(worth.tier, 0) * _DAY_NS:
            notes.append(f"{worth.name} is deleted before the end of the days that {worth.tier} charges at least")
        return _judge(worth._replace(tier=STANDARD), rules, now_ns, notes, tiers)
    if worth.tier in tiers.archives or worth.state != "live" or worth.plain > _LARGEST_PACK:
        notes.append(f"{worth.name} also has what other files need and cannot be rewritten now: their bytes stay in it")
        return None
    dead = 100 * (worth.plain - worth.live) / worth.plain if worth.plain else 0
    reason = Reason(Cause.MOSTLY_DEAD, details=(round(dead), worth.live))
    return Action(ActionKind.REPACK, reason, size=worth.live, object_name=worth.name)


def _judge(worth: Worth, rules: Retention, now_ns: int, notes: list[str], tiers: _Tiers) -> Action | None:
    if worth.state == "marked":
        return None
    days = tiers.minimum_days.get(worth.tier, 0)
    # Not by the time alone: if the clock was set back, earlier objects have times in the future.
    paid = days > 0 and now_ns - worth.created_ns < days * _DAY_NS
    if not worth.live:
        if paid:
            notes.append(
                f"{worth.name} is no longer needed, but kept for now: {worth.tier} charges at least {days} days"
            )
            return None
        return Action(ActionKind.DELETE, Reason(Cause.UNNEEDED), size=worth.size, object_name=worth.name)
    dead = 100 * (worth.plain - worth.live) / worth.plain if worth.plain else 0
    # Objects of suite 1 with a large content are needed entirely or not at all; only packs are worth repacking.
    packed = worth.plain <= _LARGEST_PACK
    readable = worth.tier not in tiers.archives and worth.state == "live"
    if dead > rules.repack_dead_percent and packed and readable and not paid:
        reason = Reason(Cause.MOSTLY_DEAD, details=(round(dead), worth.live))
        return Action(ActionKind.REPACK, reason, size=worth.live, object_name=worth.name)
    return None
