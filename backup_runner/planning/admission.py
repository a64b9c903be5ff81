"""Checks what a saved plan may do, against the job and the catalog as they are now, before it is carried out.

Whoever approved a plan may not have read a million lines. Nothing here trusts the totals in the header.
"""

from __future__ import annotations

from collections.abc import Collection

from ..catalog import history
from ..container import parse_name
from ..errors import GuardError, PlanFileError
from ..reasons import Cause
from ..records import Action, ActionKind, Kind
from ..repository.session import Session
from ..spec import Job
from .spool import SpooledPlan
from .weighing import Scales

_OF_OBJECTS = {ActionKind.ADOPT, ActionKind.DELETE, ActionKind.REPACK}


def admit(session: Session, plan: SpooledPlan, overrides: Collection[str]) -> None:
    """Read a plan once. Raises PlanFileError for an action that a plan of this job cannot have, GuardError if its
    actions exceed a guard; `overrides` are names of guards to ignore."""
    scales = Scales(session.job)
    for action in plan.actions():
        if why := _foreign(action, session.job):
            raise PlanFileError(f"the plan does not match the job: {why}", hint="nothing was changed; plan again")
        scales.add(action)
    cat, store = session.catalog(), session.store()
    job_id = cat.job_id(store.id, session.job.name) if cat and store else None
    if cat is None or job_id is None:
        return
    known = history.count_files(cat, job_id, b"")
    scales.know(known, lambda key: history.count_files(cat, job_id, key))
    meant = {*overrides, *plan.header.overridden}
    hits = [hit for hit in scales.numbers() if hit.name not in meant]
    if hits:
        names = " ".join(f"--override-guard {name}" for name in sorted({hit.name for hit in hits}))
        raise GuardError(
            "; ".join(hit.message for hit in hits),
            hint=f"nothing was changed. If this is intended, plan and apply with {names}",
        )


def _foreign(action: Action, job: Job) -> str:
    """Why an action cannot belong to this job; "" if it can."""
    if action.kind is ActionKind.FORGET:
        if action.reason.cause is Cause.CHOSEN:
            return "it forgets snapshots that somebody chose, which only `forget` itself does"
        return "" if job.retention else "it forgets snapshots, but the job has no `retention`"
    if action.kind is ActionKind.ERASE:
        return "it erases paths that somebody chose, which only `forget` itself does"
    if action.kind in _OF_OBJECTS:
        inside = parse_name(action.object_name) is not None or ".." not in action.object_name.split("/")
        return "" if inside else f"{action.object_name!r} is not an object name"
    if action.kind is ActionKind.KEY:
        # Recomputed from the job when it is carried out, and compared.
        return ""
    for key in (action.key, action.leader):
        if key is not None and not is_key(key, folder=action.entry_kind == Kind.DIRECTORY):
            return f"{_text(key)!r} is not a path below a source"
    # Paths outside all sources may be removed.
    if action.kind is ActionKind.REMOVE or any(source.covers(action.key) for source in job.sources):
        return ""
    return f"{_text(action.key)!r} is not inside a source"


def is_key(key: bytes, *, folder: bool) -> bool:
    """Whether this is a valid stored path: relative, without `.` and `..`; a folder's ends in a slash."""
    if not key:
        return folder
    name = key.removesuffix(b"/")
    return (name != key) == folder and b"\0" not in key and not {b"", b".", b".."} & set(name.split(b"/"))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
