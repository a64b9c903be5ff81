"""`catalog import-backup-tool`: records its objects in place; nothing is uploaded or changed.

Everything is checked before the catalog is changed: each object's size and checksum in the listing and its header, and
the smallest one is decrypted, which detects a wrong key. Then one transaction, and the record.
"""

from __future__ import annotations

import os
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO

import orjson

from ..catalog import Catalog, CatalogLock
from ..catalog.database import Store
from ..catalog.importing import ForeignFile, ForeignObject, Importer
from ..contents import legacy_format as legacy
from ..contents.again import twice
from ..errors import BackupRunnerError, CatalogError, DamagedError, ForkedError, TargetError, WrongKeyError
from ..moments import from_seconds
from ..progress import Events
from ..records import Problem, StoredObject
from ..repository import commits as committing
from ..repository.drift import look
from ..repository.session import Session, new_store
from .backup_tool_database import LegacyDatabase, LegacyFile, LegacyObject, read_database
from .choose import refuse_known_job

_THREADS = 16
_NAMED = 10
_OPENED = 3
_MODE = 0o600
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """`database` is backup-tool's; `skip_damaged` imports what is intact and lists the rest."""

    database: str
    skip_damaged: bool = False
    new_lineage: bool = False
    wait_seconds: float = 0.0


@dataclass(slots=True)
class Imported:
    """What an import recorded; sizes in bytes."""

    snapshot_id: int = 0
    serial: int = 0
    objects: int = 0
    bytes: int = 0
    files: int = 0
    known_objects: int = 0
    known_files: int = 0
    pinned: int = 0
    """Contents without a path."""
    renumbered: int = 0
    problems: list[Problem] = field(default_factory=list)
    """Objects that are missing or damaged, files without a backup: they are not imported."""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def incomplete(self) -> bool:
        """Whether something was not imported."""
        return bool(self.problems)


def import_legacy(session: Session, options: ImportOptions, events: Events) -> Imported:
    """Record backup-tool's objects and files as a snapshot of the session's job.

    Raises CatalogError (the database), WrongKeyError, BackupRunnerError for missing or damaged objects;
    then nothing was changed."""
    started = time.monotonic()
    outcome = Imported()
    database = read_database(options.database)
    with CatalogLock(session.job.catalog.path, wait_seconds=options.wait_seconds):
        sound = _Look(session, database, outcome, events).run()
        if outcome.problems and not options.skip_damaged:
            raise _refusal(outcome.problems)
        _without_backup(database.files, outcome)
        _Import(session, options, outcome, events).run(sound, database.files)
    outcome.seconds = time.monotonic() - started
    return outcome


def _refusal(problems: list[Problem]) -> BackupRunnerError:
    lines = [f"{os.fsdecode(p.key)}: {p.message}" for p in problems[:_NAMED]]
    more = [f"and {len(problems) - _NAMED} more"] if len(problems) > _NAMED else []
    return BackupRunnerError(
        f"{len(problems)} object(s) in the database cannot be imported:\n  " + "\n  ".join([*lines, *more]),
        hint="nothing was changed; is it the right bucket and prefix? --skip-damaged imports the others",
    )


def _without_backup(files: list[LegacyFile], outcome: Imported) -> None:
    for file in files:
        if file.object_id is None:
            outcome.problems.append(Problem(file.path, "no-backup", "backup-tool has no backup of this file"))


class _Look:
    """Compares the database with the bucket."""

    def __init__(self, session: Session, database: LegacyDatabase, outcome: Imported, events: Events) -> None:
        self._session = session
        self._database = database
        self._outcome = outcome
        self._events = events
        self._cold: set[str] = set()
        """Names of archived objects."""
        self._sizes = {f.object_id: f.size for f in database.files if f.object_id is not None and f.size is not None}

    def run(self) -> list[ForeignObject]:
        """The intact objects, by id."""
        objects = self._database.objects
        self._events.phase("listing the bucket")
        wanted = {item.name for item in objects}
        listed = {item.name: item for item in self._session.target.list() if item.name in wanted}
        self._events.phase("looking at objects", files=len(objects))
        sound = []
        with ThreadPoolExecutor(_THREADS) as pool:
            for item, found in zip(objects, pool.map(lambda o: self._examine(o, listed), objects), strict=True):
                self._events.advance(1, 0)
                if isinstance(found, str):
                    self._outcome.problems.append(Problem(os.fsencode(item.name), "damaged", found))
                else:
                    sound.append(found)
        self._check_key(sound)
        return sound

    def _examine(self, item: LegacyObject, listed: dict[str, StoredObject]) -> ForeignObject | str:
        """What to record of an object, or what is wrong with it."""
        there = listed.get(item.name)
        if there is None:
            return f"object missing at {self._session.target.identity}"
        if item.sealed_md5 is None or item.plain_md5 is None:
            return "the database has no MD5 for it"
        expected = b64encode(item.sealed_md5).decode()
        if there.checksum and "-" not in there.checksum and there.checksum != expected:
            return "the object was changed: its MD5 differs from what backup-tool stored"
        try:
            plain = twice(lambda: self._plain_size(item, there))
        except (DamagedError, TargetError) as error:
            return f"object {error.message}"
        checksum = there.checksum or expected
        return ForeignObject(
            item.id, item.name, there.size, plain, item.plain_md5, item.sealed_md5, checksum, there.etag,
            there.tier or "Standard", from_seconds(there.created),
        )  # fmt: skip

    def _plain_size(self, item: LegacyObject, there: StoredObject) -> int | None:
        if there.cold:
            self._cold.add(item.name)
            size = self._sizes.get(item.id)
            return size if size is not None and legacy.sealed_size(size) == there.size else None
        head = legacy.read_head(self._session.target.get(item.name, 0, legacy.HEAD))
        legacy.check_size(head, there.size)
        return head.size

    def _check_key(self, sound: list[ForeignObject]) -> None:
        """Decrypt the smallest objects. Raises WrongKeyError if none has the expected MD5."""
        key = self._session.identity.crypto_key
        readable = sorted(
            (item for item in sound if item.plain and item.name not in self._cold), key=lambda item: item.size
        )[:_OPENED]
        for item in readable:
            plain = BytesIO()
            try:
                sums = legacy.decrypt(key, BytesIO(self._session.target.get(item.name)).read, plain.write)
            except DamagedError:
                continue
            if sums.plain_md5 == item.plain_md5:
                return
        if sound and not readable and self._cold:
            self._outcome.notes.append("the key was not tested, because all objects are in the archive tier")
        if readable:
            raise WrongKeyError(
                f"this key (id {key.key_id}) cannot decrypt backup-tool's objects",
                hint="set `encryption` to the key that backup-tool used (`crypto_key_file`); nothing was changed",
            )


class _Import:
    """Writes the intact objects into the catalog, and the record into the bucket."""

    def __init__(self, session: Session, options: ImportOptions, outcome: Imported, events: Events) -> None:
        self._session = session
        self._options = options
        self._outcome = outcome
        self._events = events

    def run(self, sound: list[ForeignObject], files: list[LegacyFile]) -> None:
        session = self._session
        existing = self._existing_store()
        if existing is None and not self._options.new_lineage:
            refuse_known_job(session)
        cat = session.catalog(create=True) or session.need_catalog()
        with cat.transaction():
            store = existing or new_store(session, cat)
            self._write(cat, store, sound, files)
        self._events.phase("recording")
        self._outcome.serial = committing.commit(cat, store, session.target, session.keys(store)).serial

    def _existing_store(self) -> Store | None:
        session = self._session
        cat, store = session.catalog(), session.store()
        if cat is None or store is None:
            return None
        store = committing.resolve_pending(cat, store, session.target, session.unlock(store))
        if store.state == "forked":
            raise ForkedError(
                "another machine continued this lineage", hint="run run `catalog pull JOB`, then import again"
            )
        look(cat, store, session.target, confirm=False)
        return store

    def _write(self, cat: Catalog, store: Store, sound: list[ForeignObject], files: list[LegacyFile]) -> None:
        outcome, job = self._outcome, self._session.job
        job_id = cat.job_id(store.id, job.name)
        if job_id is None:
            job_id = cat.add_job(store.id, job.name)
        now, plan_id = time.time_ns(), secrets.token_hex(16)
        snapshot = cat.open_snapshot(job_id, scanned_ns=now, started_ns=now, plan_id=plan_id, scope="[]")
        importer = Importer(cat, store.id, job_id, snapshot)
        contents: dict[int, tuple[int, ForeignObject]] = {}
        for item in sorted(sound):
            known = importer.known(item.name)
            outcome.known_objects += known is not None
            contents[item.id] = (importer.add_object(item) if known is None else known, item)
            if known is None:
                outcome.objects += 1
                outcome.bytes += item.size
        folders: set[bytes] = set()
        for file in self._files(files, contents):
            folders.update(_folders_of(file.key))
            if importer.add_file(file):
                outcome.files += 1
            else:
                outcome.known_files += 1
        for key in sorted(folders):
            importer.add_folder(key, mtime_ns=now, mode=_FOLDER_MODE, uid=os.getuid(), gid=os.getgid())
        outcome.pinned, outcome.renumbered = importer.pin_unused(), importer.renumbered
        if not outcome.objects and not outcome.files:
            raise CatalogError(
                "everything in the database is already in the catalog", hint="there is nothing to import"
            )
        outcome.snapshot_id = snapshot
        before = cat.last_complete(job_id)
        held = int(orjson.loads(before.totals).get("files", 0)) if before else 0
        totals = {"files": held + outcome.files, "added": outcome.files, "imported": outcome.objects}
        cat.finish_snapshot(
            snapshot, status="complete", finished_ns=time.time_ns(), totals=orjson.dumps(totals).decode()
        )

    def _files(self, files: list[LegacyFile], contents: dict[int, tuple[int, ForeignObject]]) -> Iterator[ForeignFile]:
        uid, gid = os.getuid(), os.getgid()
        outside, sources = 0, self._session.job.sources
        for file in files:
            held = contents.get(file.object_id or 0)
            if held is None:
                continue
            key = stored_key(file.path, self._session.job.base)
            if key is None:
                self._outcome.problems.append(Problem(file.path, "outside", "its path is not below relative_path"))
                continue
            outside += not any(source.covers(key) for source in sources)
            content_id, item = held
            size = legacy.upper_size(item.size) if item.plain is None else item.plain
            # backup-tool updates a file's time without storing it: a time after the upload belongs to a later content.
            mtime_ns = min(file.mtime_ns or item.created_ns, item.created_ns)
            yield ForeignFile(file.id, key, content_id, size, mtime_ns, _MODE, uid, gid)
        if outside and sources:
            self._outcome.notes.append(
                f"{outside} file(s) are outside the job's sources: the next plan removes them unless you add a source"
            )


def _folders_of(key: bytes) -> Iterator[bytes]:
    at = key.find(b"/")
    while at >= 0:
        yield key[: at + 1]
        at = key.find(b"/", at + 1)


def stored_key(path: bytes, base: bytes) -> bytes | None:
    """The key for a path in backup-tool's form, relative to its relative_path or absolute; None if there is none."""
    if path.startswith(b"/"):
        if not path.startswith(base + b"/"):
            return None
        path = path[len(base) + 1 :]
    parts = path.split(b"/")
    return None if any(part in (b"", b".", b"..") for part in parts) else path
