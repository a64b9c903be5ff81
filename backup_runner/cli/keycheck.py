"""Whether a job's key opens what is in its bucket, tried on one real object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import DamagedError, WrongKeyError

if TYPE_CHECKING:
    from ..container import ObjectId
    from ..repository.session import Session


def key_fields(session: Session) -> dict[str, Any]:
    """Id and length of the key; `opens` is None while the bucket holds nothing to try it on."""
    from ..container import MAX_HEADER, open_header
    from ..contents.again import twice

    identity = session.identity
    secret = identity.secret
    fields: dict[str, Any] = {
        "key_id": identity.key_id,
        "kind": secret.kind,
        "bytes": len(secret.value),
        "opens": None,
        "object": None,
        "why": "",
    }
    found = _some_object(session)
    if found is None:
        return fields | {"why": "the bucket holds no object of this job yet"}
    fields["object"] = found.name
    try:
        twice(lambda: open_header(session.target.get(found.name, 0, MAX_HEADER), found, identity))
    except WrongKeyError:
        return fields | {"opens": False, "why": "the bucket is sealed with another key"}
    except DamagedError as error:
        return fields | {"opens": False, "why": f"that object is damaged: {error.message}"}
    return fields | {"opens": True}


def _some_object(session: Session) -> ObjectId | None:
    """Of the job's own lineage if the catalog knows it: others may share the bucket, with other keys."""
    from ..container import parse_name

    store = session.store()
    names = (item.name for item in session.target.list(f"{store.lineage}/" if store else ""))
    return next((found for found in map(parse_name, names) if found is not None), None)
