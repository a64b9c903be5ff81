"""Tests of targets, before a run relies on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..progress import Events
from .work import listener, opened

if TYPE_CHECKING:
    from ..spec import Job
    from ..targets.checking import Check


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """Which operations work at `target`."""

    target: str
    checks: list[Check]

    @property
    def ok(self) -> bool:
        return all(check.allowed for check in self.checks)


def check_target(job: Job, *, events: Events | None = None) -> TargetCheck:
    """Test every operation that a job may need, on probe objects that are then deleted. Needs no key."""
    from ..targets.checking import check_permissions

    heard = listener(events)
    with opened(job, heard, as_cached=True) as session:
        if absence := session.target.absence:
            heard.warn(f"{absence}; is its disk mounted?")
        return TargetCheck(session.target.identity, check_permissions(session.target))
