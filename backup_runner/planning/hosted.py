"""Prunes for a host that can only add objects: its records say what is no longer needed, and a recipient deletes it.
Nothing is forgotten or recorded here, because only the host writes records of that lineage."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..catalog import Catalog, history, retirement
from ..catalog.database import Store
from ..reasons import Cause, Reason
from ..records import Action, ActionKind, StoredObject
from ..repository.session import Session
from .guards import GuardHit, weigh_pruning

_UPLOADING = 86_400
"""Seconds for which objects that are in no record are kept: they may belong to a run in progress."""


@dataclass
class HostedPruning:
    """After `actions`, `hits` has the guards that stop the plan. Ages are computed from the bucket's dates, not the
    host's."""

    session: Session
    cat: Catalog
    store: Store
    notes: list[str]
    hits: list[GuardHit] = field(default_factory=list)

    def actions(self) -> Iterator[Action]:
        """Delete actions for what the host's records mark."""
        guards = self.session.job.prune_guards
        marked = {name: size for _, name, size in retirement.marked(self.cat, self.store.id)}
        listed = {item.name: item for item in self.session.target.list(f"{self.store.lineage}/data/")}
        # If the bucket no longer has it, it was deleted before: the host drops it in its next run.
        old = [name for name in marked if name in listed and _age(listed[name]) >= guards.min_age]
        if young := sum(name in listed for name in marked) - len(old):
            self.notes.append(f"{young} object(s) that the host no longer needs are younger than min_age and stay")
        stored = sum(row.size for row in history.objects(self.cat, self.store.id) if row.name in listed)
        self.hits = list(
            weigh_pruning(
                forgotten=0, complete=0, freed=sum(marked[name] for name in old), stored=stored, guards=guards
            )
        )
        for name in old:
            yield Action(ActionKind.DELETE, Reason(Cause.DELETION_BEGUN), size=marked[name], object_name=name)


def leftovers(unknown: Iterable[StoredObject]) -> list[StoredObject]:
    """Objects that are in no record and too old to belong to a run of the host in progress."""
    return [item for item in unknown if _age(item) >= _UPLOADING]


def _age(item: StoredObject) -> float:
    return time.time() - item.created
