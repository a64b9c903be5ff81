"""The findings of a verify: collected while it runs, reported and written to the catalog at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..catalog import Catalog, CatalogLock
from ..catalog.database import Store
from ..catalog.history import ObjectRow
from ..catalog.states import set_states
from ..catalog.verifying import needs
from ..contents.legacy_check import NOTE
from ..errors import BusyError
from ..progress import VerifyOutcome
from ..records import Problem
from ..repository.commits import FORCE_COPY
from .work import Checked, ObjectTask, Task

_LOCK_SECONDS = 10.0


@dataclass(slots=True)
class Findings:
    """Collects findings; `outcome` gets what is reported."""

    outcome: VerifyOutcome
    states: dict[int, str] = field(default_factory=dict)
    """Findings on objects, by catalog id."""
    ids: dict[str, int] = field(default_factory=dict)
    """Catalog ids of the objects found, by name."""
    lost: dict[int, str] = field(default_factory=dict)
    """Contents that cannot be read, and the object that causes it."""
    broken: int = 0
    """The newest damaged record."""
    ailing: set[int] = field(default_factory=set)
    """Ids of objects that are damaged or missing according to the catalog."""
    whole: set[int] = field(default_factory=set)
    """Ids of objects that were read completely without findings."""
    cold: int = 0
    useless: int = 0
    imported: int = 0

    def meet(self, row: ObjectRow, *, imported: bool) -> None:
        """Count an object."""
        self.outcome.objects += 1
        self.ids[row.name] = row.id
        self.imported += imported
        if row.state in ("damaged", "missing"):
            self.ailing.add(row.id)

    def damaged(self, row: ObjectRow, what: str, *, state: str) -> None:
        self.outcome.damaged.append((row.name, what))
        self.states[row.id] = state

    def lose(self, contents: Iterable[int], culprit: str) -> None:
        """Contents that cannot be read, by id, because of an object, by name."""
        self.lost.update(dict.fromkeys(contents, culprit))

    def take(self, task: Task, found: Checked) -> None:
        """Add what a worker found."""
        outcome = self.outcome
        outcome.contents += found.contents
        outcome.bytes += found.bytes
        for name, what in found.damage:
            if (name, what) not in outcome.damaged:
                outcome.damaged.append((name, what))
            self.states[self.ids[name]] = "missing" if found.missing else "damaged"
        for name, what in found.unread:
            outcome.damaged.append((name, f"could not be read: {what}"))
            self.whole.discard(self.ids[name])
        self.lose(found.lost, found.damage[0][0] if found.damage else "")
        if isinstance(task, ObjectTask) and task.data and not found.damage and not found.unread:
            self.whole.add(task.object_id)

    # -- the end

    def note(self) -> None:
        notes = self.outcome.notes
        if self.outcome.unknown:
            notes.append(
                f"{self.outcome.unknown} objects of this lineage are not in the catalog; the next apply reuses those "
                "that this key decrypts"
            )
        if self.useless:
            notes.append(f"{self.useless} damaged or missing objects are not needed; prune deletes them")
        if self.cold:
            notes.append(f"{self.cold} objects are in the archive tier and were not read")
        if self.imported:
            notes.append(f"{self.imported} {NOTE}")

    def name_files(self, cat: Catalog) -> None:
        """Report every file that needs an unreadable content."""
        for need in needs(cat, self.lost):
            snapshots = (
                f"snapshot {need.newest}"
                if need.snapshots == 1
                else f"{need.snapshots} snapshots, newest {need.newest}"
            )
            text = f'needed by {snapshots} of job "{need.job}", was in {self.lost[need.content_id]}'
            self.outcome.files.append(Problem(need.key, "damaged", text))

    def record(self, cat: Catalog, store: Store) -> None:
        """Record the state of objects, so that the next plan repairs what the sources still have."""
        if not self.outcome.interrupted:
            # Not before the end: contents that span objects are read last.
            for object_id in self.ailing & self.whole:
                self.states.setdefault(object_id, "live")
        if not self.states and not self.broken:
            return
        try:
            with CatalogLock(cat.path, wait_seconds=_LOCK_SECONDS), cat.transaction():
                set_states(cat, self.states)
                self._bridge(cat, cat.store(store.id))
        except BusyError as error:
            self.outcome.notes.append(f"the result could not be recorded in the catalog: {error.message}")

    def _bridge(self, cat: Catalog, store: Store) -> None:
        """If the chain from the newest full copy to the newest record is broken, the next apply uploads another
        copy."""
        newest = max((serial for serial, _ in json.loads(store.copies)), default=0)
        if self.broken > newest:
            cat.set_store(store.id, since_size=FORCE_COPY)
