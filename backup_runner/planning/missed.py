"""What a saved plan cannot contain: files that the job's own `before` hook wrote after the plan was made."""

from __future__ import annotations

from collections.abc import Iterator

from ..records import Kind
from ..repository.session import Session
from ..source.walk import ScanTotals, scan_fields
from .file import path_fields
from .sources import scan_settings
from .spool import SpooledPlan

_STEP_NS = 2 * 10**9
"""File systems use their own clocks for times, in steps of up to two seconds."""
_MESSAGE = "changed by hooks.before after the plan was made; this change is not backed up"


def note_missed(session: Session, plan: SpooledPlan, hook_ns: int) -> None:
    """Add to the plan's problems all files that changed since the hook began (`hook_ns`) and are not in the plan."""
    since_ns = max(plan.header.scanned_ns, hook_ns - _STEP_NS)
    changed = dict.fromkeys(_changed(session, since_ns))
    if not changed:
        return
    for action in plan.actions():
        changed.pop(action.key, None)
    header = plan.header
    header.problems += [path_fields(key) | {"problem": "missed", "message": _MESSAGE} for key in changed]
    header.problem_count += len(changed)


def _changed(session: Session, since_ns: int) -> Iterator[bytes]:
    sources, options = scan_settings(session.job)
    for batch in scan_fields(sources, options, totals=ScanTotals(), on_problem=lambda _: None):
        for entry in batch:
            # By ctime, which only the clock sets.
            if entry[1] != Kind.DIRECTORY and entry[4] >= since_ns:
                yield entry[0]
