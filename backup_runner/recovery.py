"""After the disk died: the catalog again, from what the bucket holds.

`pull` takes the newest full copy and the records after it. `rebuild` replays all records, and where these end makes
what it can from the objects' own indexes: contents, names, modes and times, but no history.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from .adopting import examine
from .catalog import Catalog, CatalogLock, history, lines
from .catalog.database import Store
from .catalog.recording import Meta, NewObject, Recorder, add_object, put_content
from .committing import job_names, lineages, remember_serial, seen_serials
from .container import OpenedObject, open_object, parse_name
from .crypto import Keyring
from .errors import CatalogError, ContainerError, TargetError, WrongKeyError
from .progress import Events
from .records import Digests, Extent, Kind, StoredObject
from .session import Session
from .targets.base import Target

_CHUNK = 8 << 20
_FORCE_COPY = 1 << 60
_RECORD = re.compile(r"[0-9a-f]{32}/records/([0-9]{16})")


@dataclass(slots=True)
class Recovered:
    """What a pull or rebuild gave. `missing` says, line by line, what could not be had."""

    lineage: str
    serial: int
    created_ns: int = 0
    """When the newest record was written; nanoseconds since the epoch."""
    jobs: list[str] = field(default_factory=list)
    snapshots: int = 0
    files: int = 0
    records: int = 0
    copies: int = 0
    objects: int = 0
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0


def pull(session: Session, events: Events, *, min_serial: int = 0, lineage: str = "") -> Recovered:
    """Make the local catalog say what the bucket says. Raises CatalogError if that is older than what this machine
    has seen, or if its chain has gaps; then the local catalog is as it was."""
    started = time.monotonic()
    with CatalogLock(session.job.catalog.path):
        bucket = _Bucket(session, _choose(session, lineage), events)
        bucket.check_age(min_serial)
        base = bucket.newest_copy()
        found = bucket.load(base, exact=True)
        found.seconds = time.monotonic() - started
        return found


def rebuild(session: Session, events: Events, *, lineage: str = "") -> Recovered:
    """Make the catalog from the records alone, and from the objects' indexes where records are missing."""
    started = time.monotonic()
    with CatalogLock(session.job.catalog.path):
        bucket = _Bucket(session, _choose(session, lineage, any_object=True), events)
        found = bucket.load(bucket.usable_base(), exact=False)
        found.seconds = time.monotonic() - started
        return found


def _choose(session: Session, wanted: str, *, any_object: bool = False) -> str:
    """The lineage in the bucket that has this job; the newest, if there are several."""
    target, keyring = session.target, session.keyring
    names = sorted({item.name.split("/", 1)[0] for item in target.list() if parse_name(item.name)})
    if not any_object:
        names = lineages(target)
    if wanted:
        if wanted not in names:
            raise CatalogError(
                f"there is no lineage {wanted} in the bucket", hint=f"there are: {', '.join(names) or 'none'}"
            )
        return wanted
    found: list[tuple[int, str]] = []
    wrong = 0
    for name in names:
        try:
            age = _has_job(target, keyring, name, session.job.name)
        except WrongKeyError:
            wrong += 1
            continue
        if age is not None:
            found.append((age, name))
    if found:
        return max(found)[1]
    if any_object and len(names) - wrong == 1:
        return next(name for name in names)
    if wrong and wrong == len(names):
        raise WrongKeyError(
            "this key opens nothing in the bucket: all of it is sealed with another key",
            hint="point `encryption` at the key the backups were made with",
        )
    raise CatalogError(
        f'the bucket holds no backups of job "{session.job.name}" that this key opens',
        hint="check bucket, prefix and the job's name; `catalog info JOB` lists what is there",
    )


def _has_job(target: Target, keyring: Keyring, lineage: str, job: str) -> int | None:
    """When the newest readable record of a lineage that knows the job was written; None if none does."""
    names = [item.name for item in target.list(f"{lineage}/records/")] + [
        item.name for item in target.list(f"{lineage}/copies/")
    ]
    for name in reversed(names):
        try:
            head = _head(target, keyring, name)
        except WrongKeyError:
            raise
        except (ContainerError, TargetError):
            continue
        return int(str(head["created_ns"])) if job in job_names(head) else None
    return None


def _open(target: Target, keyring: Keyring, item: StoredObject | str) -> OpenedObject:
    listed = target.stat(item) if isinstance(item, str) else item
    object_id = parse_name(listed.name)
    assert object_id is not None
    return open_object(lambda offset, length: target.get(listed.name, offset, length), listed.size, object_id, keyring)


def _head(target: Target, keyring: Keyring, name: str) -> dict[str, object]:
    opened = _open(target, keyring, name)
    first = next(opened.read(0, min(opened.index.plaintext, 1 << 16))) if opened.index else b""
    try:
        head: dict[str, object] = orjson.loads(first.split(b"\n", 1)[0])
    except ValueError:
        raise opened.keys.damaged("has no header line") from None
    return head


class _Bucket:
    """One lineage of a bucket, being read."""

    def __init__(self, session: Session, lineage: str, events: Events) -> None:
        self._session = session
        self._lineage = lineage
        self._events = events
        self._target = session.target
        self._keyring = session.keyring
        self.missing: list[str] = []
        self._records: dict[int, StoredObject] = {}
        for item in self._target.list(f"{lineage}/records/"):
            if match := _RECORD.fullmatch(item.name):
                self._records[int(match[1])] = item

    @property
    def newest(self) -> int:
        return max(self._records, default=0)

    def check_age(self, min_serial: int) -> None:
        seen = max(seen_serials(self._session.job.catalog.path).get(self._lineage, 0), min_serial)
        if self.newest < seen:
            raise CatalogError(
                f"the bucket is older than what is known: its newest record is {self.newest}, serial {seen} was seen; "
                "it was rolled back, or its newest records were deleted",
                hint="find out who changed the bucket; if the loss is real, `catalog rebuild JOB` takes what there is",
            )

    # -- where to start from

    def newest_copy(self) -> tuple[int, StoredObject] | None:
        copies = self._copies()
        return copies[-1] if copies else None

    def usable_base(self) -> tuple[int, StoredObject] | None:
        """The copy to start from: none if the records reach back to the first."""
        copies = self._copies()
        if 1 in self._records or not copies:
            return None
        return copies[-1]

    def _copies(self) -> list[tuple[int, StoredObject]]:
        """Full copies that can be opened, by serial."""
        found = []
        for item in self._target.list(f"{self._lineage}/copies/"):
            try:
                head = _head(self._target, self._keyring, item.name)
            except WrongKeyError:
                raise
            except (ContainerError, TargetError) as error:
                self.missing.append(f"copy {item.name}: {error.message}")
                continue
            found.append((int(str(head["serial"])), item))
        return sorted(found, key=lambda pair: pair[0])

    # -- loading

    def load(self, base: tuple[int, StoredObject] | None, *, exact: bool) -> Recovered:
        """Replace the store of this lineage in the local catalog by what base and records say."""
        cat = self._session.catalog(create=True)
        assert cat is not None
        result = Recovered(self._lineage, 0, missing=self.missing)
        self._events.phase("reading the catalog from the bucket", files=len(self._records))
        with cat.transaction():
            # Enforced when the transaction ends: rows of a record may come before those they refer to.
            cat.conn.execute("PRAGMA defer_foreign_keys = ON")
            store = self._fresh_store(cat)
            store = self._replay_all(cat, store, base, result, exact=exact)
            if not exact:
                self._from_indexes(cat, store, result)
            lines.settle(cat, store.id, lines.high_marks(cat))
            self._count(cat, store, result)
        remember_serial(cat.path, self._lineage, result.serial)
        return result

    def _fresh_store(self, cat: Catalog) -> Store:
        shift = None
        for old in cat.stores():
            if old.lineage == self._lineage:
                shift = old.shift
                lines.drop_store(cat, old.id)
        if shift is None:
            marks = lines.high_marks(cat)
            others = any(cat.stores())
            shift = max(value for name, value in marks.items() if name != "change") if others else 0
        keyring = self._keyring
        store = cat.add_store(
            target=self._target.identity,
            key_id=keyring.crypto_key.key_id,
            lineage=self._lineage,
            salt=keyring.new_salt(),
        )
        cat.set_store(store.id, shift=shift)
        return cat.store(store.id)

    def _replay_all(
        self, cat: Catalog, store: Store, base: tuple[int, StoredObject] | None, result: Recovered, *, exact: bool
    ) -> Store:
        serial, previous = 0, ""
        if base is not None:
            serial = base[0]
            head, size, _ = self._replay(cat, store, base[1])
            previous = str(head["previous"])
            cat.set_store(
                store.id,
                salt=bytes.fromhex(str(head["salt"])),
                copies=json.dumps([[serial, base[1].name]]),
                base_size=size,
            )
            result.copies, result.created_ns = 1, int(str(head["created_ns"]))
        since = 0
        for number in range(serial + 1, self.newest + 1):
            try:
                head, size, digest = self._record(cat, store, number, previous)
            except (ContainerError, TargetError, CatalogError) as error:
                if exact or isinstance(error, WrongKeyError):
                    raise
                self.missing.append(f"record {number} and all after it: {error.message}")
                break
            if number == 1:
                cat.set_store(store.id, base_size=size)
            else:
                since += size
            serial, previous = number, digest
            cat.set_store(store.id, salt=bytes.fromhex(str(head["salt"])))
            result.records += 1
            result.created_ns = int(str(head["created_ns"]))
            self._events.advance(1, size)
        result.serial = serial
        if serial < self.newest:
            # The chain has a gap: the next apply puts a full copy, from which a pull can start again.
            since = _FORCE_COPY
        cat.set_store(store.id, serial=max(serial, self.newest), record_digest=previous, since_size=since)
        return cat.store(store.id)

    def _record(self, cat: Catalog, store: Store, serial: int, previous: str) -> tuple[dict[str, object], int, str]:
        item = self._records.get(serial)
        if item is None:
            raise CatalogError(
                f"record {serial} of {self.newest} is missing in the bucket",
                hint="`catalog rebuild JOB` makes what it can from the objects themselves",
            )
        return self._replay(cat, store, item, previous=previous)

    def _replay(
        self, cat: Catalog, store: Store, item: StoredObject, *, previous: str | None = None
    ) -> tuple[dict[str, object], int, str]:
        """Do what a record or copy says: its header, size and SHA-256. Sealed bytes pass through a temporary file."""
        folder = self._session.job.work_directory
        os.makedirs(folder, mode=0o700, exist_ok=True)
        object_id = parse_name(item.name)
        assert object_id is not None
        with tempfile.TemporaryFile(dir=folder) as file:
            digest = hashlib.sha256()
            at = 0
            while chunk := self._target.get(item.name, at, _CHUNK):
                file.write(chunk)
                digest.update(chunk)
                at += len(chunk)
            fd = file.fileno()
            file.flush()
            opened = open_object(lambda offset, length: os.pread(fd, length, offset), at, object_id, self._keyring)
            if opened.damage or opened.index is None:
                raise opened.keys.damaged("; ".join(opened.damage))
            rows = _lines(opened.read(0, opened.index.plaintext))
            head: dict[str, object] = orjson.loads(next(rows))
            if previous is not None and head["previous"] != previous:
                raise CatalogError(
                    f"record {head['serial']} does not follow from the one before it: the chain is broken",
                    hint="`catalog rebuild JOB` makes what it can",
                )
            lines.replay(cat, store, rows)
        return head, at, digest.hexdigest()

    # -- what records do not tell

    def _from_indexes(self, cat: Catalog, store: Store, result: Recovered) -> None:
        """Take over objects that no record knows: each content under the name it had when it was sealed."""
        known = {row.name for row in history.objects(cat, store.id)}
        listed = [item for item in self._target.list(f"{self._lineage}/data/") if item.name not in known]
        for name in sorted(known - {item.name for item in self._target.list(f"{self._lineage}/data/")}):
            self.missing.append(f"object {name} is not in the bucket")
        if not listed:
            return
        self._events.phase("reading the objects' own indexes", files=len(listed))
        made = _Made(cat, store)
        for item in sorted(listed, key=lambda item: item.created):
            try:
                new, index = examine(self._target, self._keyring, item.name)
            except (ContainerError, TargetError) as error:
                self.missing.append(f"object {item.name}: {error.message}")
                continue
            made.add(new, index)
            result.objects += 1
            self._events.advance(1, item.size)
        made.write(self._session.job.name)
        self.missing += made.missing
        self.missing.append(
            "what only records hold: which snapshot had what, removed and renamed paths, further names of equal files, "
            "folders, symlinks, hard links, owners and xattrs"
        )

    def _count(self, cat: Catalog, store: Store, result: Recovered) -> None:
        result.jobs = [name for _, name in cat.jobs(store.id)]
        for job_id, _ in cat.jobs(store.id):
            result.snapshots += len(cat.snapshots(job_id))
            result.files += history.count_files(cat, job_id, b"")


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


@dataclass(slots=True)
class _Piece:
    size: int
    at: int
    length: int
    extent: Extent
    digests: Digests | None
    path: bytes | None
    mode: int
    mtime_ns: int


class _Made:
    """Contents and versions made from objects' indexes. A path that had several contents gets as many snapshots."""

    def __init__(self, cat: Catalog, store: Store) -> None:
        self._cat = cat
        self._store = store
        self._groups: dict[bytes, list[_Piece]] = {}
        self._versions: dict[bytes, list[tuple[Meta, int]]] = {}
        self.missing: list[str] = []

    def add(self, new: NewObject, index: object) -> None:
        from .container import Index

        assert isinstance(index, Index)
        object_id = add_object(self._cat, self._store.id, new)
        for entry in index.entries:
            digests = None
            if entry.blake3 is not None and entry.md5 is not None:
                digests = Digests(entry.size, entry.blake3, entry.md5)
            extent = Extent(object_id, entry.offset, entry.length)
            piece = _Piece(
                entry.size,
                entry.at,
                entry.length,
                extent,
                digests,
                entry.path,
                entry.mode or 0o600,
                entry.mtime_ns or 0,
            )
            if entry.group is None:
                self._complete([piece])
            else:
                group = self._groups.setdefault(entry.group, [])
                group.append(piece)

    def _complete(self, pieces: list[_Piece]) -> None:
        pieces.sort(key=lambda piece: piece.at)
        last = pieces[-1]
        if last.digests is None or sum(piece.length for piece in pieces) != last.size:
            name = last.path.decode("utf-8", "backslashreplace") if last.path else "a file"
            self.missing.append(f"{name}: some of its objects are missing")
            return
        content_id = history.find_content(self._cat, self._store.id, last.digests)
        if content_id is None:
            content_id = put_content(self._cat, self._store.id, last.digests, [piece.extent for piece in pieces])
        if last.path is not None:
            now = time.time_ns()
            meta = Meta(Kind.FILE, last.size, last.mtime_ns, now, last.mode, os.getuid(), os.getgid())
            self._versions.setdefault(last.path, []).append((meta, content_id))

    def write(self, job: str) -> None:
        for pieces in self._groups.values():
            self._complete(pieces)
        if not self._versions:
            return
        cat, store = self._cat, self._store
        job_id = cat.job_id(store.id, job)
        if job_id is None:
            job_id = cat.add_job(store.id, job)
        rounds = max(len(found) for found in self._versions.values())
        now = time.time_ns()
        for number in range(rounds):
            plan_id = f"rebuilt-{secrets.token_hex(12)}"
            snapshot_id = cat.open_snapshot(
                job_id, scanned_ns=now + number, started_ns=now, plan_id=plan_id, scope="[]"
            )
            recorder = Recorder(cat, store.id, job_id, snapshot_id)
            for key, found in self._versions.items():
                # The newest content of a path belongs to the last of the snapshots.
                place = number - (rounds - len(found))
                known = history.open_version(cat, job_id, key)
                if place >= 0 and not (known is not None and known.content_id == found[place][1]):
                    recorder.put_version(key, found[place][0], found[place][1])
            totals = orjson.dumps({"files": history.count_files(cat, job_id, b""), "rebuilt": True}).decode()
            cat.finish_snapshot(snapshot_id, status="partial", finished_ns=now, totals=totals)
