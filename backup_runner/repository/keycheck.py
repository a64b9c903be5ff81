"""Whether a job's key opens what is in its bucket, tried on one real object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..container import MAX_HEADER, ObjectId, open_header, parse_name
from ..contents.again import twice
from ..errors import DamagedError, WrongKeyError
from .session import Session


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """`key_id` names the key without giving it away; `kind` is raw, text, pair or passphrase, `size` in bytes."""

    key_id: str
    kind: str
    size: int
    opens: bool | None = None
    """Whether it opens `object`; None while the bucket holds nothing to try it on."""
    object: str | None = None
    why: str = ""
    """Why it does not, or cannot be tried."""


def check_key(session: Session) -> KeyCheck:
    """Try the session's key. Raises KeyFileError, TargetError."""
    identity = session.identity
    found = _some_object(session)
    start = KeyCheck(identity.key_id, identity.secret.kind, len(identity.secret.value))
    if found is None:
        return replace(start, why="the bucket has no objects of this job yet")
    start = replace(start, object=found.name, opens=False)
    try:
        twice(lambda: open_header(session.target.get(found.name, 0, MAX_HEADER), found, identity))
    except WrongKeyError:
        return replace(start, why="the bucket is encrypted with another key")
    except DamagedError as error:
        return replace(start, why=f"that object is damaged: {error.message}")
    return replace(start, opens=True)


def _some_object(session: Session) -> ObjectId | None:
    """Of the job's own lineage if the catalog knows it: others may share the bucket, with other keys."""
    store = session.store()
    names = (item.name for item in session.target.list(f"{store.lineage}/" if store else ""))
    return next((found for found in map(parse_name, names) if found is not None), None)
