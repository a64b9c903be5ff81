"""The header line of a record or full copy of the catalog, read by ranges: the container header is verified before
anything else is fetched, so a stranger's object costs 64 KiB, however large it is."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import orjson

from ..catalog.lines import FORMAT
from ..container import MAX_HEADER, Identity, ObjectId, ObjectKind, OpenedObject, open_header, open_whole, parse_name
from ..container.keys import SALT_LENGTH
from ..container.suites import is_signed
from ..contents.again import twice
from ..errors import (
    AccessDenied,
    ContainerError,
    DamagedError,
    ObjectArchived,
    ObjectMissing,
    RemovedWriterError,
)
from ..records import StoredObject
from ..targets.base import Target

Head = dict[str, object]
"""The header line of a record or copy."""

_CHUNK = 8 << 20
_HEAD = 1 << 16
_NAMED = 3


def is_ours(target: Target, identity: Identity, name: str) -> bool:
    """Whether an authorised writer created the object with that name. In suite 1, its header shows it, even if the
    rest is damaged; in suite 2, anybody who knows the public key can make a header, and the signature at the end shows
    it.

    Raises TargetError."""
    object_id = parse_name(name)
    if object_id is None:
        return False
    try:
        twice(lambda: _prove(target, identity, object_id))
    except (ContainerError, ObjectMissing):
        return False
    return True


def learn_salt(target: Target, identity: Identity, name: str) -> None:
    """Before others of its lineage, try the oldest record: what it takes of scrypt is then known, and later objects, of
    which strangers may have put many, cannot use up the budget first. Raises TransientError."""
    object_id = parse_name(name)
    if object_id is None or identity.keyring is None or object_id.lineage in identity.accepted:
        return
    with suppress(ContainerError, ObjectMissing, ObjectArchived, AccessDenied):
        open_header(target.get(name, 0, MAX_HEADER), object_id, identity)


def _prove(target: Target, identity: Identity, object_id: ObjectId) -> None:
    keys = open_header(target.get(object_id.name, 0, MAX_HEADER), object_id, identity).keys
    if is_signed(keys):
        size = size_of(target, object_id.name)
        open_whole(lambda offset, length: target.get(object_id.name, offset, length), size, object_id, identity)


def size_of(target: Target, name: str) -> int:
    """An object's size in bytes, found by reading it: shortly after a put, only that may work. Raises TargetError."""
    return target.get_tail(name, 1)[1]


def is_void(target: Target, identity: Identity, name: str) -> bool:
    """Whether that record was signed by a writer who has since been removed. Raises AccessDenied, TransientError."""
    try:
        head_of(target, identity, StoredObject(name, size_of(target, name), "", "", 0.0, "", ""))
    except RemovedWriterError:
        return True
    except (ContainerError, ObjectMissing):
        return False
    return False


def open_record(target: Target, identity: Identity, item: StoredObject) -> OpenedObject:
    """A record or copy, of which only header and index were fetched. Raises ContainerError, TargetError."""
    return twice(lambda: _opened(target, identity, item))


def _opened(target: Target, identity: Identity, item: StoredObject) -> OpenedObject:
    object_id = parse_name(item.name)
    if object_id is None:
        raise DamagedError(f"{item.name} is not an object name of backup-runner")
    return open_whole(lambda offset, length: target.get(item.name, offset, length), item.size, object_id, identity)


def head_of(target: Target, identity: Identity, item: StoredObject) -> Head:
    """The header line of a record or copy. Raises ContainerError, TargetError."""
    return twice(lambda: _head_of(target, identity, item))


def _head_of(target: Target, identity: Identity, item: StoredObject) -> Head:
    opened = _opened(target, identity, item)
    length = min(opened.index.plaintext, _HEAD) if opened.index else 0
    return checked_head(opened, next(opened.read(0, length), b"").split(b"\n", 1)[0])


def checked_head(opened: OpenedObject, line: bytes) -> Head:
    """Check the header line of an object. Raises DamagedError."""
    object_id = opened.keys.object_id
    try:
        head = orjson.loads(line)
        is_record = object_id.kind is ObjectKind.RECORDS
        good = (
            type(head) is dict
            and head.get("record" if is_record else "copy") in range(1, FORMAT + 1)
            and head.get("lineage") == object_id.lineage.hex()
            and type(head.get("serial")) is int
            and (head["serial"] == object_id.serial if is_record else 0 <= head["serial"] < 10**16)
            and type(head.get("previous")) is str
            and len(bytes.fromhex(head["salt"])) == SALT_LENGTH
            and type(head.get("created_ns")) is int
            and 0 <= head["created_ns"] < 1 << 63
            and type(head.get("jobs")) is list
            and all(type(job) is str for job in head["jobs"])
        )
    except (ValueError, TypeError, KeyError):
        good = False
    if not good:
        raise opened.keys.damaged("has no header line of a record or copy")
    return dict(head)


def digest_of(target: Target, name: str, size: int) -> str:
    """Hex SHA-256 of the first `size` bytes of an object."""
    digest, at = hashlib.sha256(), 0
    while at < size and (chunk := target.get(name, at, min(_CHUNK, size - at))):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()


def noise_notes(names: list[str], kind: str) -> list[str]:
    """The note about objects with names of records or similar that no holder of the key wrote."""
    if not names:
        return []
    shown = ", ".join(name if name.isprintable() else repr(name) for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"ignored {len(names)} object(s) with names of {kind} that this key cannot decrypt: {shown}{more}"]
