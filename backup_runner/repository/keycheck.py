"""Tests whether a job's key can decrypt its bucket, on one real object."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..container import MAX_HEADER, ObjectId, open_header, parse_name
from ..contents.again import twice
from ..errors import DamagedError, WrongKeyError
from .session import Session


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """`key_id` identifies the key without revealing it; `kind` is raw, text, pair or passphrase, `size` in bytes."""

    key_id: str
    kind: str
    size: int
    opens: bool | None = None
    """Whether it can decrypt `object`; None if the bucket has no object for the test."""
    object: str | None = None
    why: str = ""
    """Why it cannot, or why it was not tested."""


def check_key(session: Session) -> KeyCheck:
    """Test the session's key. Raises KeyFileError, TargetError."""
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
    """An object of the job's own lineage if the catalog knows it: others with other keys may share the bucket."""
    store = session.store()
    names = (item.name for item in session.target.list(f"{store.lineage}/" if store else ""))
    return next((found for found in map(parse_name, names) if found is not None), None)
