"""Pruning what a host forgot that can only add: its records say what is no longer needed, and whoever holds a
recipient's key deletes that. Nothing is forgotten or recorded here, since records of that lineage are the host's."""

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
"""Objects that no record knows may be those of a run that is at work: seconds for which they are left alone."""


@dataclass
class HostedPruning:
    """After `actions`, `hits` are the guards that stop the plan. Ages are by the bucket's own dates, not the host's."""

    session: Session
    cat: Catalog
    store: Store
    notes: list[str]
    hits: list[GuardHit] = field(default_factory=list)

    def actions(self) -> Iterator[Action]:
        """Deletions of what the host's records mark."""
        guards = self.session.job.prune_guards
        marked = {name: size for _, name, size in retirement.marked(self.cat, self.store.id)}
        listed = {item.name: item for item in self.session.target.list(f"{self.store.lineage}/data/")}
        # What the bucket no longer has was deleted before: the host drops it with its next run.
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
    """Of objects that no record knows, those that no run of the host can still be putting there."""
    return [item for item in unknown if _age(item) >= _UPLOADING]


def _age(item: StoredObject) -> float:
    return time.time() - item.created
