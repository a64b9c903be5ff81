"""What all stages of an apply share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..policy import StoringPolicy
from ..progress import Events, Outcome
from ..records import ActionKind

READING = (ActionKind.UPLOAD, ActionKind.UPDATE, ActionKind.REPAIR)
"""Actions whose files are read, and whose symlinks are recorded."""


@dataclass(frozen=True, slots=True)
class Running:
    """`stop` is called between all steps; it returns whether the run was interrupted."""

    events: Events
    outcome: Outcome
    stop: Callable[[], bool]
    policy: StoringPolicy
