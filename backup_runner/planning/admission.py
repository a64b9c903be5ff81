"""What a saved plan may do: looked at again before it is carried out, by the job and the catalog as they are now.

Whoever vouches for a plan need not have read a million lines. Nothing here trusts what the header adds up to.
"""

from __future__ import annotations

from collections.abc import Collection

from ..catalog import history
from ..container import parse_name
from ..errors import GuardError, PlanFileError
from ..records import Action, ActionKind, Kind
from ..repository.session import Session
from ..spec import Job
from .spool import Plan
from .weighing import Scales

_OF_OBJECTS = {ActionKind.ADOPT, ActionKind.DELETE, ActionKind.REPACK}


def admit(session: Session, plan: Plan, overrides: Collection[str]) -> None:
    """Read a plan once. Raises PlanFileError for an action that no plan of this job has, GuardError if its actions are
    more than a guard lets pass; `overrides` are names of guards."""
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
    """Why an action is none of this job's; "" if it may be."""
    if action.kind is ActionKind.FORGET:
        return "" if job.retention else "it forgets snapshots, but the job has no `retention`"
    if action.kind in _OF_OBJECTS:
        inside = parse_name(action.object_name) is not None or ".." not in action.object_name.split("/")
        return "" if inside else f"{action.object_name!r} is not an object name"
    if action.kind is ActionKind.KEY:
        # Made again from the job when it is carried out, and compared.
        return ""
    for key in (action.key, action.leader):
        if key is not None and not is_key(key, folder=action.entry_kind == Kind.DIRECTORY):
            return f"{_text(key)!r} is not a path below a source"
    # What a source no longer covers is removed.
    if action.kind is ActionKind.REMOVE or any(source.covers(action.key) for source in job.sources):
        return ""
    return f"{_text(action.key)!r} is not inside a source"


def is_key(key: bytes, *, folder: bool) -> bool:
    """Whether this is how a path is stored: relative, without `.` and `..`; a folder's with a slash at its end."""
    if not key:
        return folder
    name = key.removesuffix(b"/")
    return (name != key) == folder and b"\0" not in key and not {b"", b".", b".."} & set(name.split(b"/"))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
