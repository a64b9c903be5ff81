"""Collects the input for the cost estimate: a plan's actions, and what the catalog knows about the bucket."""

from __future__ import annotations

from ..catalog import Catalog, history
from ..catalog.database import Store
from ..catalog.storage import stored_by_tier
from ..policy import StoringPolicy
from ..records import Action, ActionKind, Kind
from ..spec import Job
from ..spec.target import STANDARD
from .cost import Work, estimate
from .file import Fields

_STORING = (ActionKind.UPLOAD, ActionKind.UPDATE, ActionKind.REPAIR)


class PlanCost:
    """Gets every action of a plan; has no estimate for a job whose target is not charged by the byte."""

    def __init__(self, job: Job, catalog: Catalog | None, store: Store | None, now_ns: int) -> None:
        self._tariff = job.target.tariff(job.prices)
        self._catalog, self._store, self._now_ns = catalog, store, now_ns
        self._packed = 0
        self._work = Work(tier=str(job.target.storage_tier))

    def add(self, action: Action) -> None:
        if self._tariff is None:
            return
        work = self._work
        if action.kind in _STORING and action.entry_kind == Kind.FILE:
            work.added += action.size
            self._packed += action.size
        elif action.kind in (ActionKind.DELETE, ActionKind.REPACK):
            self._add_object(action)

    def _add_object(self, action: Action) -> None:
        found = None
        if self._catalog is not None and self._store is not None:
            found = history.object_named(self._catalog, self._store.id, action.object_name)
        tier, created = (found.tier, found.created_ns) if found else (STANDARD, self._now_ns)
        size = found.size if found else action.size
        self._work.freed.append((tier, size, self._now_ns - created))
        if action.kind is ActionKind.REPACK:
            self._work.moved[tier] = self._work.moved.get(tier, 0) + action.size
            self._work.added += action.size
            self._packed += action.size

    def total(self) -> Fields | None:
        """The estimate; None for a target that is not billed by the byte."""
        if self._tariff is None:
            return None
        if self._catalog is not None and self._store is not None:
            self._work.stored, self._work.objects = stored_by_tier(self._catalog, self._store.id)
        self._work.puts += -(-self._packed // StoringPolicy().pack_bytes)
        return estimate(self._work, self._tariff)
