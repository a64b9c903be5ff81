"""Checks the chain of records: each can be decrypted, has its own serial, and the digest of its predecessor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import orjson

from ..catalog.database import Store
from ..container import Identity, ObjectKind, OpenedObject, kind_prefix, open_whole, parse_name
from ..errors import BackupRunnerError, ContainerError, DamagedError, ObjectMissing
from ..records import StoredObject
from ..repository.heads import is_ours
from ..targets.base import Target

_CHUNK = 8 << 20
_TRIES = 20
"""Maximum number of consecutive foreign objects to read beyond the catalog's own serial."""


@dataclass(frozen=True, slots=True)
class _Link:
    serial: int
    digest: str
    stored: StoredObject
    previous: str = ""
    """Digest of its predecessor according to this record."""


def check_records(
    target: Target,
    identity: Identity,
    store: Store,
    *,
    data: bool,
    stop: Callable[[], bool],
    cold: list[str],
    noise: list[str],
) -> Iterator[tuple[str, str]]:
    """Yield (record name, what is wrong) for each broken link; with `data`, each record is read completely.

    The first record may have any serial: older ones may have been replaced by a copy of the catalog. Names of archived
    records, which cannot be read, go into `cold`, those of foreign objects into `noise`.
    """
    prefix = kind_prefix(bytes.fromhex(store.lineage), ObjectKind.RECORDS)
    last: _Link | None = None
    odd: list[tuple[str, str]] = []
    for stored in target.list(prefix):
        if stop():
            return
        object_id = parse_name(stored.name)
        if object_id is None or (len(odd) >= _TRIES and object_id.serial > store.serial):
            # A bucket full of noise must not be searched forever; the catalog needs none of these.
            noise.append(stored.name)
            continue
        if stored.cold:
            cold.append(stored.name)
            # Its digest is unknown, so the next one is not compared with it.
            last = _Link(object_id.serial, "", stored)
            continue
        try:
            link = _check_again(target, identity, store, stored, last, data=data)
        except BackupRunnerError as error:
            found = stored.name, error.beside(stored.name)
            if isinstance(error, (ContainerError, ObjectMissing)) and not is_ours(target, identity, stored.name):
                odd.append(found)
                continue
            yield from (*odd, found)
            # Its digest is unknown, so the next one is not compared with it.
            link = _Link(object_id.serial, "", stored)
        else:
            # If the chain skips an object that cannot be decrypted, it is somebody else's.
            whole = not link.previous if last is None else bool(last.digest)
            yield from () if whole else odd
            noise += [name for name, _ in odd] if whole else []
        last, odd = link, []
    if last and store.record_digest not in ("", last.digest):
        last = _read_anew(target, last)
    yield from _end(prefix, store, last, odd, noise)


def _end(
    prefix: str, store: Store, last: _Link | None, odd: list[tuple[str, str]], noise: list[str]
) -> Iterator[tuple[str, str]]:
    """The catalog's own serial is the last that must exist; later ones are another machine's, or noise."""
    reached, newest = last.serial if last else 0, f"{prefix}{store.serial:016d}"
    lost = {name: what for name, what in odd if reached < store.serial and name <= newest}
    noise += [name for name, _ in odd if name not in lost]
    yield from lost.items()
    if reached < store.serial and newest not in lost:
        yield newest, "this record is missing from the bucket"
    elif last and reached == store.serial and last.digest and store.record_digest not in ("", last.digest):
        yield newest, "is not the record that this catalog wrote or read"


def _check_again(
    target: Target, identity: Identity, store: Store, stored: StoredObject, last: _Link | None, *, data: bool
) -> _Link:
    """One bad read, of this record or of the one before it, says nothing about what is stored."""
    try:
        return _check(target, identity, store, stored, last, data=data)
    except DamagedError:
        return _check(target, identity, store, stored, _read_anew(target, last), data=data)


def _read_anew(target: Target, link: _Link | None) -> _Link | None:
    if link is None or not link.digest:
        return link
    return replace(link, digest=_digest(target, link.stored.name, link.stored.size))


def _check(
    target: Target, identity: Identity, store: Store, stored: StoredObject, last: _Link | None, *, data: bool
) -> _Link:
    name, size = stored.name, stored.size
    object_id = parse_name(name)
    if object_id is None or object_id.kind is not ObjectKind.RECORDS:
        raise DamagedError("not the name of a record")
    opened = open_whole(lambda offset, length: target.get(name, offset, length), size, object_id, identity)
    for damage in opened.check() if data else ():
        raise DamagedError(damage)
    header = _first_line(opened)
    if (header.get("lineage"), header.get("serial")) != (store.lineage, object_id.serial):
        raise DamagedError("identifies itself as another record")
    if last is not None:
        follows = header.get("previous") == last.digest
        if object_id.serial != last.serial + 1 and not follows:
            raise DamagedError(f"follows record {last.serial}: the records in between are missing")
        if last.digest and not follows:
            raise DamagedError(f"does not follow record {last.serial}")
    return _Link(object_id.serial, _digest(target, name, size), stored, str(header.get("previous") or ""))


def _first_line(opened: OpenedObject) -> dict[str, object]:
    length = opened.index.plaintext if opened.index else 0
    start = b"".join(opened.read(0, min(length, opened.keys.segment_size)))
    try:
        header = orjson.loads(start.partition(b"\n")[0])
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise ContainerError("does not start with a record header")
    return header


def _digest(target: Target, name: str, size: int) -> str:
    digest = hashlib.sha256()
    for offset in range(0, size, _CHUNK):
        digest.update(target.get(name, offset, min(_CHUNK, size - offset)))
    return digest.hexdigest()
