"""One object of the bucket against its row of the catalog: missing, of another size, or other bytes."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from ..catalog.history import ObjectRow
from ..errors import ObjectMissing, TargetError
from ..reasons import Cause, Reason
from ..records import StoredObject
from ..targets.base import Target

_CHUNK = 8 << 20
_REPLACED = Reason(Cause.OBJECT_REPLACED)


def difference(row: ObjectRow, item: StoredObject | None, target: Target | None) -> Reason | None:
    """What is wrong with an object of the catalog that is listed as `item`; None if nothing is. Without a
    `target`, the listing is trusted. Raises TargetError."""
    reason = _stated(row, item)
    if reason and target is not None:
        # One check is not enough: listings may be outdated or damaged in transit, and one 404 proves nothing.
        item = _second_look(row, target)
        reason = _stated(row, item)
    if reason or item is None or item.checksum or item.etag == row.etag or target is None:
        return reason
    # The file system has no checksums: a new etag means a copied bucket, or another object with this name.
    return None if any(_same_bytes(row, target) for _ in range(2)) else _REPLACED


def _stated(row: ObjectRow, item: StoredObject | None) -> Reason | None:
    """What is wrong according to the target's metadata of the object."""
    if item is None:
        return Reason(Cause.OBJECT_MISSING)
    if item.size != row.size:
        return Reason(Cause.OBJECT_SIZE, details=(item.size, row.size))
    return _REPLACED if item.checksum and item.checksum != row.checksum else None


def _second_look(row: ObjectRow, target: Target) -> StoredObject | None:
    try:
        return target.stat(row.name)
    except ObjectMissing:
        return None


def _same_bytes(row: ObjectRow, target: Target) -> bool:
    if row.checksum:
        return _sum(row, target) == row.checksum
    # Adopted from a killed run or a lost catalog, so its checksum is unknown; no two objects share a header.
    try:
        return target.get(row.name, 0, len(row.header)) == row.header
    except TargetError:
        return False


def _sum(row: ObjectRow, target: Target) -> str:
    """The object's checksum in the service's form, computed from its bytes."""
    sizes = [int(size) for size in row.parts.split(",")] if row.parts else [row.size]
    try:
        sums = [_md5(target, row.name, sum(sizes[:at]), size) for at, size in enumerate(sizes)]
    except TargetError:
        return ""
    if not row.parts:
        return b64encode(sums[0]).decode()
    return f"{b64encode(hashlib.md5(b''.join(sums), usedforsecurity=False).digest()).decode()}-{len(sums)}"


def _md5(target: Target, name: str, offset: int, size: int) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    end = offset + size
    while offset < end:
        data = target.get(name, offset, min(_CHUNK, end - offset))
        if not data:
            break
        digest.update(data)
        offset += len(data)
    return digest.digest()
