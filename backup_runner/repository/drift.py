"""Differences between bucket and catalog: objects that are missing or changed, and unknown objects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..catalog import Catalog, history
from ..catalog.database import Store
from ..catalog.history import ObjectRow
from ..catalog.states import drop_missing, losses_reported, note_bucket
from ..catalog.storage import stored_by_tier
from ..container import Identity
from ..container.names import record_serial
from ..errors import (
    AccessDenied,
    ForkedError,
    KeyFileError,
    ObjectArchived,
    StalePlanError,
    TargetError,
)
from ..reasons import Cause, Reason
from ..records import StoredObject
from ..targets.base import Target
from .commits import FORCE_COPY, is_pending, record_name
from .difference import difference
from .heads import is_ours

_CHUNK = 8 << 20
_TRIES = 50
"""Number of records beyond the catalog's serial that are tried from either end."""
_STRANGE = 250_000
"""If this many objects of the lineage are not in the catalog, they are not leftovers of a killed run."""


@dataclass(slots=True)
class Drift:
    """`bad`: by object id, why its contents cannot be read. `healed`: ids of objects that are back.

    `digest` is over names, sizes and checksums of the data objects that the catalog knows, as listed, and over which
    are bad. An upload that was under way when its run was killed may arrive at any time, so unknown ones do not count.

    Larger than usual, because each kind of difference is a field of its own.
    """

    digest: str = ""
    bad: dict[int, Reason] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    """Those of `bad` whose lost files no apply has reported yet."""
    gone: set[int] = field(default_factory=set)
    """Those of `bad` that are missing from the bucket."""
    healed: list[int] = field(default_factory=list)
    copied: dict[int, str] = field(default_factory=dict)
    """New etags, by id, of objects whose bytes were compared: a copied bucket is read once, not for every plan."""
    tiers: dict[int, str] = field(default_factory=dict)
    """New storage tiers, by id, of objects that were moved, usually by a lifecycle rule."""
    cold: int = 0
    """Number of archived objects that are in a readable tier according to the catalog."""
    cold_records: int = 0
    """Number of archived records and copies of the catalog."""
    unknown: list[StoredObject] = field(default_factory=list)
    foreign: int = 0
    newest_record: int = 0
    noise: int = 0
    """Number of objects with names of later records that our key cannot decrypt."""
    strange: int = 0
    """Data objects that the catalog does not know, on a host that cannot decrypt them."""
    gap: str = ""
    """Why the catalog could not be pulled from the bucket at present, although nothing else is wrong."""
    size: int = 0
    """Bytes of all objects of this lineage."""


def note(cat: Catalog, drift: Drift | None) -> None:
    """Record which objects are gone, back, or have other etags. Callers hold a transaction."""
    if drift is not None:
        note_bucket(cat, lost=drift.fresh, back=drift.healed, etags=drift.copied, tiers=drift.tiers)


def close_drift(cat: Catalog, drift: Drift | None) -> None:
    """At the end of an apply: missing objects that contain nothing any more are removed from the catalog. Callers hold
    a transaction."""
    if drift is not None:
        drop_missing(cat, drift.gone)


def note_reported(cat: Catalog, drift: Drift | None) -> None:
    """After an apply, with its record uploaded: it names the losses, and the next one need not. If it is killed before,
    the next one names them again."""
    if drift is not None and drift.fresh:
        with cat.transaction():
            losses_reported(cat, drift.fresh)


def listing_digest(listed: Iterable[StoredObject], bad: Iterable[str] = ()) -> str:
    digest = hashlib.sha256()
    for item in listed:
        digest.update(f"{item.name}\0{item.size}\0{item.checksum}\n".encode())
    for name in sorted(bad):
        digest.update(f"{name}\n".encode())
    return digest.hexdigest()


@dataclass(slots=True)
class _Seen:
    """A listing by what its objects are: sizes and checksums of records are by serial, sizes of copies by name."""

    imported: dict[str, StoredObject | None]
    data: list[StoredObject] = field(default_factory=list)
    records: dict[int, int] = field(default_factory=dict)
    checksums: dict[int, str] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)


def _seen(cat: Catalog, store: Store, target: Target, drift: Drift) -> _Seen:
    """List the bucket. Raises TargetError, also for one that was filled with objects."""
    own = f"{store.lineage}/"
    seen = _Seen(dict.fromkeys(history.names_outside(cat, store.id, own)))
    room = stored_by_tier(cat, store.id)[1] + store.serial + _STRANGE
    for found in target.list():
        if not found.name.startswith(own):
            if found.name in seen.imported:
                seen.imported[found.name] = found
            else:
                drift.foreign += 1
            continue
        room -= 1
        if room < 0:
            raise TargetError(
                f"the bucket lists more than {_STRANGE} objects of this job's lineage that the catalog does not know",
                hint="find out who put them there; `catalog pull JOB` fetches the bucket's newest state",
            )
        drift.size += found.size
        if found.name.startswith(f"{own}data/"):
            seen.data.append(found)
            continue
        drift.cold_records += found.cold
        if (serial := record_serial(found.name)) is not None:
            seen.records[serial] = found.size
            seen.checksums[serial] = found.checksum
        else:
            seen.copies[found.name] = found.size
    return seen


def look(
    cat: Catalog,
    store: Store,
    target: Target,
    *,
    identity: Callable[[], Identity] | None = None,
    blind: bool = False,
    confirm: bool = True,
) -> Drift:
    """Compare the listing with the catalog. Raises ForkedError if another machine is ahead of this catalog,
    StalePlanError if another run with this catalog committed in the meantime.

    With an `identity`, records beyond the catalog's serial count only if its key can decrypt them; it is asked for only
    where there are any. `blind`: this host cannot decrypt anything, and is the only one to write records."""
    drift = Drift()
    seen = _seen(cat, store, target, drift)
    records = seen.records
    if blind:
        drift.newest_record = _newest_blind(drift, store, records, seen.checksums)
    else:
        drift.newest_record = _newest(drift, store, records, target, identity)
    _check_serial(drift, cat, store)
    drift.gap = _gap(store, records, seen.copies) or _replaced_end(store, records, target)
    listed: dict[str, StoredObject] = {item.name: item for item in seen.data}
    bad: list[str] = []
    for row in history.objects(cat, store.id):
        item = seen.imported[row.name] if row.name in seen.imported else listed.pop(row.name, None)
        _judge(drift, row, item, target if confirm else None)
        if row.id in drift.bad:
            bad.append(row.name)
    drift.unknown = list(listed.values())
    drift.digest = listing_digest([item for item in seen.data if item.name not in listed], bad)
    if blind:
        # What a killed run left, or others put there, cannot be told apart or adopted here.
        drift.strange, drift.unknown = len(drift.unknown), []
    if drift.unknown or drift.bad:
        _check_end(store, records, target)
    return drift


def _newest_blind(drift: Drift, store: Store, records: dict[int, int], checksums: dict[int, str]) -> int:
    """The newest record of a host that is the only one to write them: its own, or the one that it was about to put."""
    pending = json.loads(store.pending) if store.pending else {"serial": 0}
    serial = pending["serial"]
    drift.noise = sum(1 for number in records if number > store.serial and number != serial)
    if serial in records:
        if is_pending(pending, records[serial], checksums[serial]):
            return int(serial)
        drift.noise += 1
    return max((number for number in records if number <= store.serial), default=0)


def _newest(
    drift: Drift,
    store: Store,
    records: dict[int, int],
    target: Target,
    identity: Callable[[], Identity] | None,
) -> int:
    """The newest record written by a holder of the key: names alone prove nothing."""
    ahead = sorted(serial for serial in records if serial > store.serial)
    tried = list(ahead) if len(ahead) <= 2 * _TRIES else [*ahead[:_TRIES], *ahead[-_TRIES:]]
    pending = json.loads(store.pending)["serial"] if store.pending else 0
    found = 0
    for serial in tried:
        try:
            if identity is None:
                return max(ahead)
            if is_ours(target, identity(), record_name(store, serial)):
                if serial != pending or len(ahead) == 1:
                    return serial
                # Perhaps uploaded with this very catalog; the next record shows whether others continued from it.
                ahead.remove(serial)
                found = serial
        except (AccessDenied, KeyFileError):
            # Nothing can be decrypted here. Records of others are consecutive.
            if store.serial + 1 in records:
                return serial
            break
    drift.noise = len(ahead)
    return found or max((serial for serial in records if serial <= store.serial), default=0)


def _check_serial(drift: Drift, cat: Catalog, store: Store) -> None:
    ahead = drift.newest_record > store.serial
    if ahead and not (store.pending and drift.newest_record == json.loads(store.pending)["serial"]):
        now = cat.store(store.id)
        if (now.serial, now.pending) != (store.serial, store.pending):
            # Another run with this catalog committed between our read of it and the listing.
            raise StalePlanError("another run applied while the bucket was listed", hint="plan again")
        raise ForkedError(
            f"the bucket is ahead of this catalog: it has record {drift.newest_record}, "
            f"the catalog ends at {store.serial}; another machine has applied since then",
            hint="fetch the newer state with `catalog pull JOB`, then apply again",
        )


def _check_end(store: Store, records: dict[int, int], target: Target) -> None:
    """Check that the last record of this catalog is still the same object: the bucket may
    have been rolled back, and another machine may have continued to the same serial."""
    size = records.get(store.serial, 0)
    if not 0 < size <= _CHUNK or not store.record_digest:
        return
    try:
        # One bad read says nothing about what is stored.
        same = any(_is_record(store, target, size) for _ in range(2))
    except (AccessDenied, ObjectArchived):
        # A write-only host, or an archived record; creating the next one still shows
        # whether another machine was faster.
        return
    if not same:
        raise ForkedError(
            f"record {store.serial} in the bucket is not the last one of this catalog: the bucket was rolled back, "
            f"and another machine continued from there",
            hint="find out who changed the bucket; `catalog pull JOB` accepts the bucket's current state",
        )


def _replaced_end(store: Store, records: dict[int, int], target: Target) -> str:
    """Whether the newest record was replaced. Objects are padded, so lengths show less than before; `verify` checks
    older records."""
    size = records.get(store.serial, 0)
    if not 0 < size <= _CHUNK or not store.record_digest:
        return ""
    try:
        same = any(_is_record(store, target, size) for _ in range(2))
    except TargetError:
        return ""
    return "" if same else f"record {store.serial} in the bucket is not the one that was uploaded"


def _is_record(store: Store, target: Target, size: int) -> bool:
    found = target.get(record_name(store, store.serial), 0, size)
    return hashlib.sha256(found).hexdigest() == store.record_digest


def _gap(store: Store, records: dict[int, int], copies: dict[str, int]) -> str:
    """What is missing of the newest full copy and the records after it, or has another length than when uploaded."""
    known = [(serial, name) for serial, name in json.loads(store.copies) if name in copies]
    start = max((serial for serial, _ in known), default=0)
    missing = next((serial for serial in range(start + 1, store.serial + 1) if serial not in records), 0)
    if missing:
        return f"record {missing} of the catalog is missing from the bucket"
    noted = json.loads(store.copies)
    base, size = (noted[-1][0], copies.get(noted[-1][1])) if noted else (1, records.get(1))
    since = sum(size for serial, size in records.items() if base < serial <= store.serial)
    if size is None or store.serial == 0 or store.since_size >= FORCE_COPY:
        return ""
    same = (size, since) == (store.base_size, store.since_size)
    return "" if same else "records or copies of the catalog in the bucket do not have their original size"


def _judge(drift: Drift, row: ObjectRow, item: StoredObject | None, target: Target | None) -> None:
    reason = difference(row, item, target)
    if not reason and item is not None and item.etag != row.etag and not item.checksum and target is not None:
        drift.copied[row.id] = item.etag
    if item is not None and item.tier and item.tier != row.tier:
        drift.tiers[row.id] = item.tier
        drift.cold += item.cold
    if reason:
        drift.bad[row.id] = reason
    elif row.state == "missing":
        drift.healed.append(row.id)
    elif row.state == "damaged":
        drift.bad[row.id] = Reason(Cause.OBJECT_DAMAGED)
    if row.id in drift.bad and item is None:
        drift.gone.add(row.id)
    if row.id in drift.bad and not row.told:
        drift.fresh.add(row.id)
