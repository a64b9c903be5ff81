"""The last step of every apply: one record, create-only, and occasionally a full copy of the catalog.

A record's payload is JSON Lines: a header, then rows (docs/format.md). The catalog's serial increases only when the
record is in the bucket; the second of two machines finds the first one's record and commits nothing.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from ..catalog import Catalog, lines
from ..catalog.database import Store
from ..container import Identity, ObjectId, ObjectKind, parse_name
from ..container.names import record_serial
from ..errors import (
    AccessDenied,
    ChecksumMismatch,
    ContainerError,
    DamagedError,
    ForkedError,
    ObjectExists,
    ObjectMissing,
)
from ..records import StoredObject
from ..targets.base import Target, Tier
from .heads import digest_of, head_of, is_ours, size_of
from .lineage import Keys
from .packing import Builder, Room, Sealed
from .sealing import Sealer
from .seen import remember

FORCE_COPY = 1 << 60
"""A value of `since_size` that makes the next apply upload a full copy, whatever the records' size."""
_JOIN = 1 << 18
_ROOM = 1 << 20
"""Most encrypted records are smaller than this (bytes)."""
_TAKEN = 100
"""Maximum number of consecutive serials taken by strangers' objects before an apply gives up."""


@dataclass(frozen=True, slots=True)
class Written:
    """A record or copy in the bucket: its size in bytes and hex SHA-256."""

    size: int
    digest: str


def record_name(store: Store, serial: int) -> str:
    return ObjectId.record(bytes.fromhex(store.lineage), serial).name


def commit(cat: Catalog, store: Store, target: Target, keys: Keys) -> Store:
    """Upload the next record and increase the serial. Raises ForkedError if another machine did so first.

    A serial whose name is taken by an object that our key cannot decrypt is skipped."""
    for serial in range(store.serial + 1, store.serial + 1 + _TAKEN):
        marks = lines.high_marks(cat)
        sealer = keys.sealing.new(ObjectId.record(bytes.fromhex(store.lineage), serial))
        pending = {"serial": serial, "nonce": secrets.token_hex(16), "marks": marks, "header": sealer.header.hex()}
        with cat.transaction():
            cat.set_store(store.id, pending=json.dumps(pending))
        head = _head(cat, store, serial, "record") | {"nonce": pending["nonce"]}
        try:
            sealed = _sealed(sealer, head, lines.export_changes(cat, store, marks))
            if keys.identity.is_blind:
                # It cannot read its own record after a crash, and knows it by what the listing says.
                pending |= {"size": sealed.size, "md5": b64encode(sealed.md5).decode(), "digest": sealed.digest()}
                with cat.transaction():
                    cat.set_store(store.id, pending=json.dumps(pending))
            written = _put(target, sealed)
        except ObjectExists:
            if (met := _met_another(cat, cat.store(store.id), target, keys.identity, serial)) is not None:
                return met
        else:
            _committed(cat, store, serial, written, marks)
            return cat.store(store.id)
    raise DamagedError(
        f"the names of the next {_TAKEN} records of lineage {store.lineage} are taken by objects that this key "
        f"cannot decrypt",
        hint="find out who puts them there, delete them, then apply again; finished uploads are reused",
    )


def _met_another(cat: Catalog, store: Store, target: Target, identity: Identity, serial: int) -> Store | None:
    """A record with this serial exists: another machine's, or ours, if the response to its put was lost; None
    if it was not written by a holder of the key."""
    try:
        store, taken = _resolve(cat, store, target, identity)
    except AccessDenied:
        store, taken = _forget_pending(cat, store, state="forked"), False
    if store.serial == serial:
        return store
    if taken:
        return None
    if store.state != "forked":
        raise ChecksumMismatch(
            f"{record_name(store, serial)}: was damaged during upload and was deleted", hint="apply again"
        )
    raise ForkedError(
        f"another machine committed serial {serial} of this lineage first; nothing was committed here",
        hint="fetch its state with `catalog pull JOB`, then apply again; finished uploads are reused",
    )


def resolve_pending(cat: Catalog, store: Store, target: Target, identity: Identity) -> Store:
    """After a crash between record and catalog: if the record is in the bucket and ours, increase the serial.

    If ours arrived damaged, as its header shows, it is deleted, because its name is needed. Raises ContainerError for
    another machine's record that cannot be read."""
    return _resolve(cat, store, target, identity)[0] if store.pending is not None else store


def _resolve(cat: Catalog, store: Store, target: Target, identity: Identity) -> tuple[Store, bool]:
    """The new state of the store, and whether the record's name is taken by an object that this key cannot decrypt."""
    pending = json.loads(store.pending or "")
    serial = pending["serial"]
    name = ObjectId.record(bytes.fromhex(store.lineage), serial).name
    if identity.is_blind:
        return _resolve_blind(cat, store, target, name, pending)
    header = bytes.fromhex(pending.get("header", ""))
    try:
        listed = StoredObject(name, size_of(target, name), "", "", 0.0, "", "")
        nonce = head_of(target, identity, listed).get("nonce")
    except ObjectMissing:
        return _forget_pending(cat, store), False
    except ContainerError as error:
        if header and target.get(name, 0, len(header)) == header:
            target.delete(name)
            return _forget_pending(cat, store), False
        if not is_ours(target, identity, name):
            return _forget_pending(cat, store), True
        raise DamagedError(
            error.message,
            hint="if no other machine applies to this bucket, delete that object there, and apply again",
        ) from error
    if nonce != pending["nonce"]:
        return _forget_pending(cat, store, state="forked"), False
    _committed(cat, store, serial, Written(listed.size, digest_of(target, name, listed.size)), pending["marks"])
    return cat.store(store.id), False


def _resolve_blind(
    cat: Catalog, store: Store, target: Target, name: str, pending: dict[str, Any]
) -> tuple[Store, bool]:
    """The same on a host that can only list: its record is the one of just that size and checksum."""
    listed = next((item for item in target.list(name) if item.name == name), None)
    if listed is None:
        return _forget_pending(cat, store), False
    if not is_pending(pending, listed.size, listed.checksum):
        return _forget_pending(cat, store), True
    _committed(cat, store, pending["serial"], Written(listed.size, pending["digest"]), pending["marks"])
    return cat.store(store.id), False


def is_pending(pending: dict[str, Any], size: int, checksum: str) -> bool:
    """Whether what is listed is the record that a host was about to put; a file system knows no checksum."""
    return pending.get("size") == size and checksum in ("", pending["md5"])


def _forget_pending(cat: Catalog, store: Store, **values: str) -> Store:
    with cat.transaction():
        cat.set_store(store.id, pending=None, **values)
    return cat.store(store.id)


def _committed(cat: Catalog, store: Store, serial: int, written: Written, marks: dict[str, int]) -> None:
    sizes = {"since_size": store.since_size + written.size} if serial > 1 else {"base_size": written.size}
    with cat.transaction():
        lines.mark_recorded(cat, store.id, marks)
        cat.set_store(store.id, serial=serial, record_digest=written.digest, pending=None, **sizes)
    jobs = [name for _, name in cat.jobs(store.id)]
    remember(cat.path, store.lineage, serial, store.target, jobs, time.time_ns())


def _head(cat: Catalog, store: Store, serial: int, kind: str) -> dict[str, object]:
    return {
        kind: lines.FORMAT,
        "lineage": store.lineage,
        "serial": serial,
        "previous": store.record_digest,
        "salt": store.salt.hex(),
        "seed": store.seed.hex(),
        "jobs": [name for _, name in cat.jobs(store.id)],
        "created_ns": time.time_ns(),
    }


def _sealed(sealer: Sealer, head: dict[str, object], body: Iterable[bytes]) -> Sealed:
    builder = Builder(sealer, Room(_ROOM))
    joined = bytearray(orjson.dumps(head) + b"\n")
    for line in body:
        joined += line
        joined += b"\n"
        if len(joined) >= _JOIN:
            builder.add(joined)
            joined.clear()
    builder.add(joined)
    return builder.finish()


def _put(target: Target, sealed: Sealed) -> Written:
    new = sealed.put(target, tier=Tier.STANDARD)
    return Written(new.size, sealed.digest())


# -- full copies


def write_copy(cat: Catalog, store: Store, target: Target, keys: Keys) -> Written:
    """Upload a full copy of this store's rows in the catalog, as of its serial."""
    object_id = ObjectId.new(bytes.fromhex(store.lineage), ObjectKind.COPIES, os.urandom)
    head = _head(cat, store, store.serial, "copy")
    written = _put(target, _sealed(keys.sealing.new(object_id), head, lines.export_all(cat, store)))
    copies = [*json.loads(store.copies), [store.serial, object_id.name]]
    with cat.transaction():
        cat.set_store(store.id, copies=json.dumps(copies), base_size=written.size, since_size=0)
    return written


def copy_is_due(store: Store) -> bool:
    """Whether the records since the newest base exceed a quarter of it.

    The base is the newest full copy, or else the first record, which contains as much as a copy."""
    return store.since_size > max(store.base_size / 4, _JOIN)


# -- what is in a bucket


def lineages(target: Target, *, any_object: bool = False) -> list[str]:
    """All lineages that have records in the bucket, or any object, the oldest first.

    To find out whether a key decrypts one may take scrypt, of which a command makes only so much. What strangers put
    there is newer than what it is meant to hide."""
    found: dict[str, float] = {}
    for item in target.list():
        if record_serial(item.name) is not None or (any_object and parse_name(item.name)):
            name = item.name.split("/", 1)[0]
            found[name] = min(item.created, found.get(name, item.created))
    return sorted(found, key=lambda name: (found[name], name))


def job_names(head: dict[str, object]) -> list[str]:
    """The jobs in a record's header line."""
    jobs = head.get("jobs")
    return jobs if isinstance(jobs, list) else []


def trim(cat: Catalog, store: Store, target: Target, *, records: bool) -> Store:
    """Delete what newer copies replaced: all full copies except the newest two and, with `records`,
    the records before the older of these. Raises AccessDenied if policy forbids it."""
    copies = json.loads(store.copies)
    listed = [item.name for item in target.list(f"{store.lineage}/copies/")]
    kept = [copy for copy in copies if copy[1] in listed][-2:]
    names = {name for _, name in kept}
    # By listing: a run killed between uploading and recording a copy left one that is recorded nowhere.
    for name in listed:
        if name not in names:
            target.delete(name)
    if records and len(kept) == 2:
        for item in target.list(f"{store.lineage}/records/"):
            serial = record_serial(item.name)
            if serial is not None and serial < kept[0][0]:
                target.delete(item.name)
    if kept != copies:
        with cat.transaction():
            cat.set_store(store.id, copies=json.dumps(kept))
    return cat.store(store.id)
