"""Tests of targets, before a run relies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..progress import Events
from .work import listener, opened

if TYPE_CHECKING:
    from ..spec import Job
    from ..targets.checking import TargetCheck


def check_target(job: Job, *, write_only: bool = False, events: Events | None = None) -> TargetCheck:
    """Test every operation that a job may need, on probe objects that are then deleted. Needs no key.

    With `write_only`, reading, replacing and deleting must be denied. A host without a key, which only encrypts, is
    taken for one that should be write-only; that it can do more is then no error. Raises UsageError if the target is a
    folder, which has no such permissions."""
    from ..targets.checking import TargetCheck, check_permissions

    heard = listener(events)
    with opened(job, heard, as_cached=True) as session:
        target = session.target
        if absence := target.absence:
            heard.warn(f"{absence}; is its disk mounted?")
        if write_only and not target.properties.remote:
            raise UsageError(
                "a folder cannot allow adding files and deny reading, replacing or deleting them",
                hint="leave out --write-only; it is for buckets with policies",
            )
        meant = write_only or (session.is_blind and target.properties.remote)
        return TargetCheck(target.identity, check_permissions(target), write_only=meant, strict=write_only)
