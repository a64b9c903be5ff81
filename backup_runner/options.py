"""What a run was asked, apart from the engines, which take long to load."""

from __future__ import annotations

from dataclasses import dataclass, field

from .policy import StoringPolicy
from .records import ActionKind


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """`scope`: keys that the run is about, others carry over. `overrides`: names of guards that are meant to pass."""

    offline: bool = False
    checksum: bool = False
    scope: tuple[bytes, ...] = ()
    pruning: str = "retention"
    overrides: frozenset[str] = frozenset()
    kinds: frozenset[ActionKind] | None = None
    """What may be done to paths; other actions are left undone, and counted in a note. None: everything."""
    known_only: bool = False
    """Only look whether what the catalog knows is still there; nothing new is met."""
    applies: bool = False
    """An apply follows in this process, so what takes long and needs the key can begin beside the scan."""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """`overrides` are names of guards that are meant to pass; `wait_seconds` is for the locks of other runs."""

    workers: int | None = None
    overrides: frozenset[str] = frozenset()
    new_lineage: bool = False
    wait_seconds: float = 0.0
    policy: StoringPolicy = field(default_factory=StoringPolicy)
