"""What a plan forgets, deletes and repacks: retention's answer, and what its objects are then worth."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from ..catalog import Catalog, CatalogLock, retirement
from ..catalog.database import Snapshot, Store
from ..catalog.retirement import Worth
from ..records import Action, ActionKind
from ..repository.session import Session
from ..spec import Retention
from .retention import SnapshotTime, expire

_PACKS = 64 << 20
"""Packs have fewer bytes, whatever the policy: the greatest piece is half of it."""
_DAY_NS = 86_400 * 10**9
MINIMUM_DAYS = {"InfrequentAccess": 31, "Archive": 90}
"""Storage days that are charged in any case (OCI price list)."""


def plan_pruning(
    session: Session, cat: Catalog, store: Store, job_id: int, notes: list[str], *, upcoming_ns: int | None
) -> Iterator[Action]:
    """What retention forgets and frees, and deletions that an earlier run began.

    `upcoming_ns` is the scan time of the snapshot that this plan's apply will make; None if it makes none."""
    begun = set()
    for _, name, size in retirement.marked(cat, store.id):
        begun.add(name)
        yield Action(ActionKind.DELETE, "its deletion was begun earlier", size=size, object_name=name)
    rules = session.job.retention
    if rules is None and upcoming_ns is not None:
        return
    forget = _expired(cat, job_id, rules, upcoming_ns) if rules else {}
    yield from (Action(ActionKind.FORGET, why, snapshot_id=snapshot_id) for snapshot_id, why in forget.items())
    if upcoming_ns is not None and not retirement.frees(cat, job_id, forget):
        # Looking for garbage reads the whole catalog; `prune` always does, `apply` when something goes with a snapshot.
        return
    now_ns = time.time_ns()
    rules = rules or Retention()
    for worth in retirement.worths(cat, store.id, job_id, forget, imported=rules.keep_imported):
        if worth.name not in begun and (action := _judge(worth, rules, now_ns, notes)):
            yield action


def _expired(cat: Catalog, job_id: int, rules: Retention, upcoming_ns: int | None) -> dict[int, str]:
    known = cat.snapshots(job_id)
    snapshots = _times(known, rules)
    if upcoming_ns is not None:
        # What a killed run left running, the coming apply makes partial. One that is at work is no business of a plan.
        if not CatalogLock.is_held(cat.path):
            snapshots = [s._replace(status="partial") if s.status == "running" else s for s in snapshots]
        newest = max((s.id for s in snapshots), default=0)
        snapshots.append(SnapshotTime(newest + 1, upcoming_ns, "complete"))
    return _let_go(known, snapshots, rules)


def expired_now(cat: Catalog, job_id: int, rules: Retention, *, completing: int | None) -> dict[int, str]:
    """What no rule keeps, and why, once the running snapshot `completing` is complete; by id."""
    known = cat.snapshots(job_id)
    snapshots = [s._replace(status="complete") if s.id == completing else s for s in _times(known, rules)]
    return _let_go(known, snapshots, rules)


def _let_go(known: list[Snapshot], snapshots: list[SnapshotTime], rules: Retention) -> dict[int, str]:
    reasons = expire(snapshots, rules, time.time_ns(), None)
    return {s.id: f"expired: no rule keeps the snapshot of {s.date_text}" for s in known if not reasons[s.id]}


def _times(known: list[Snapshot], rules: Retention) -> list[SnapshotTime]:
    return [SnapshotTime(s.id, s.scanned_ns, _status(s, rules)) for s in known]


def _status(snapshot: Snapshot, rules: Retention) -> str:
    rebuilt = rules.keep_rebuilt and "rebuilt" in json.loads(snapshot.totals)
    return "rebuilt" if rebuilt else snapshot.status


def _judge(worth: Worth, rules: Retention, now_ns: int, notes: list[str]) -> Action | None:
    if worth.state == "marked":
        return None
    days = MINIMUM_DAYS.get(worth.tier, 0)
    paid = now_ns - worth.created_ns < days * _DAY_NS
    if not worth.live:
        if paid:
            notes.append(f"{worth.name} is not needed but kept back: {worth.tier} charges {days} days in any case")
            return None
        return Action(ActionKind.DELETE, "no kept snapshot needs it", size=worth.size, object_name=worth.name)
    dead = 100 * (worth.plain - worth.live) / worth.plain if worth.plain else 0
    # What suite 1 stored of a large content is all alive or all dead; only packs can be worth a copy.
    packed = worth.plain <= _PACKS
    readable = worth.tier != "Archive" and worth.state == "live"
    if dead > rules.repack_dead_percent and packed and readable and not paid:
        why = f"{dead:.0f} % of it is dead; {worth.live} bytes move"
        return Action(ActionKind.REPACK, why, size=worth.live, object_name=worth.name)
    return None
