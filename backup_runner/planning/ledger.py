"""What a plan's actions add up to: totals, numbers for the guards, cost, and repairs."""

from __future__ import annotations

from collections import Counter

from ..records import Action, ActionKind, Digests, Kind
from ..spec import Job
from .costing import PlanCost
from .facts import PlanFacts
from .file import Totals
from .knowledge import Tally
from .past import Past
from .weighing import Scales


class Ledger:
    """Adds up every action of a plan."""

    def __init__(self, job: Job, past: Past, facts: PlanFacts, scanned_ns: int) -> None:
        self.totals = Totals()
        self.scales = Scales(job)
        self.cost = PlanCost(job, past.cat, past.store, scanned_ns)
        self.repaired: set[int] = set()
        """Lost contents that the plan stores again."""
        self.left_undone: Counter[ActionKind] = Counter()
        """Files whose actions this plan omits."""
        self.scanned_ns = scanned_ns
        self._facts = facts

    def leave(self, action: Action) -> None:
        """Count an action that the plan omits."""
        self.left_undone[action.kind] += action.entry_kind != Kind.DIRECTORY

    def path(self, action: Action) -> Action:
        """Count an action on a path."""
        self.scales.add(action)
        content_id = action.content_id if action.kind is ActionKind.REPAIR else None
        if self._facts.damaged and action.kind in (ActionKind.UPLOAD, ActionKind.UPDATE) and action.blake3:
            # A lost content under another name: storing it repairs all references to it.
            content_id = self._facts.known(Digests(action.size, action.blake3, b""))
        if content_id is not None:
            self.repaired.add(content_id)
        return self.add(action)

    def add(self, action: Action) -> Action:
        """Count any action."""
        self.totals.add(action)
        self.cost.add(action)
        return action

    def unchanged(self, tally: Tally) -> None:
        """Add what needs no action."""
        totals = self.totals
        totals.unchanged, totals.unchanged_bytes = tally.unchanged, tally.unchanged_bytes
        totals.held_before, totals.known = tally.held_before, tally.known
        totals.kept_unseen = tally.kept_unseen
