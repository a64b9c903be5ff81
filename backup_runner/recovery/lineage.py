"""One lineage of a bucket, read back: its records and full copies, and the rows they contain.

Records form a chain: each names the SHA-256 of the one before it, so a catalog whose own newest record is part of
the chain is an ancestor, and needs only the records after it.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from ..catalog import Catalog, history, lines
from ..catalog.database import Store
from ..catalog.replaying import Replay, check_references
from ..container.keys import SALT_LENGTH
from ..contents.again import twice
from ..errors import CatalogError, ContainerError, ObjectMissing, TargetError, WrongKeyError
from ..progress import Events
from ..records import StoredObject
from ..repository.adopting import examine
from ..repository.commits import FORCE_COPY
from ..repository.heads import Head, digest_of, head_of
from ..repository.seen import remember, seen_last, seen_serials
from ..repository.session import Session
from .chain import Records
from .confine import confined
from .indexes import Made
from .reading import format_of, rows_of

_CHECKED = 8 << 20
"""The newest record is fetched to compare its digest only up to this many bytes; later records compare it anyway."""
_MOST_COPIES = 200
"""Maximum number of objects to try that are not our copies; there are two or three copies."""
_NAMED = 3
_DROPPED = "notes of an unfinished apply were dropped; the next plan reuses its uploads"


@dataclass(slots=True)
class Recovered:
    """The result of a pull or rebuild. `missing` lists what could not be recovered; `notes` has further information."""

    lineage: str
    serial: int
    created_ns: int = 0
    """When the newest record was written; nanoseconds since the epoch."""
    jobs: list[str] = field(default_factory=list)
    snapshots: int = 0
    files: int = 0
    records: int = 0
    """Number of replayed records."""
    copies: int = 0
    """Number of full copies read: 0 or 1."""
    objects: int = 0
    """Number of objects recorded from their own indexes."""
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def incomplete(self) -> bool:
        """Whether something could not be recovered."""
        return bool(self.missing)


_Copy = tuple[int, StoredObject]
"""A full copy and its serial."""
_Base = _Copy | None
"""What to start from: a copy, or None for the first record."""


class Rewritten(CatalogError):  # noqa: N818
    """The bucket's chain of records does not contain the last record of this catalog."""


class Bucket:
    """Reads one lineage into the session's catalog. The caller holds the catalog's lock."""

    def __init__(self, session: Session, lineage: str, events: Events) -> None:
        self._session = session
        self.lineage = lineage
        self._events = events
        self._target = session.target
        self.missing: list[str] = []
        self.notes: list[str] = []
        self._keys = session.know(lineage)
        self._records = Records(session.target, session.identity, lineage)

    @property
    def newest(self) -> int:
        """The serial of the newest record that our key can decrypt; 0 without records."""
        return self._records.newest

    def check_age(self, min_serial: int) -> None:
        """Raises CatalogError if this machine, or its user, has seen a newer state."""
        seen = max(seen_serials(self._session.job.catalog.path).get(self.lineage, 0), min_serial)
        if self.newest < seen:
            raise CatalogError(
                f"the bucket is older than expected: its newest record is {self.newest}, serial {seen} was seen; "
                "it was rolled back, or its newest records were deleted",
                hint="find out who changed the bucket; if the loss is real, `catalog rebuild JOB` recovers the rest",
            )

    def check_lineage(self) -> None:
        """Raises CatalogError if this machine has seen the job in another lineage after this one's newest record: a
        lineage that was abandoned, and put back."""
        session = self._session
        last = seen_last(session.job.catalog.path, self._target.identity, session.job.name)
        if last is None or last.lineage == self.lineage or not self.newest:
            return
        head = head_of(self._target, session.identity, self._records.item(self.newest))
        if int(str(head["created_ns"])) <= last.created_ns:
            raise CatalogError(
                f'the bucket is older than expected: job "{session.job.name}" was last seen in lineage '
                f"{last.lineage}, but the bucket has lineage {self.lineage}, which ended before that",
                hint=f"find out who changed the bucket; `--lineage {self.lineage}` uses it anyway",
            )

    # -- from a catalog that is behind

    def advance(self, store: Store) -> Recovered:
        """Replay only the records after the store's serial; ids stay. Raises Rewritten if the store is not an
        ancestor."""
        cat = self._session.need_catalog()
        result = Recovered(self.lineage, store.serial, missing=self.missing, notes=self.notes)
        self._check_end(store)
        if self.newest > store.serial:
            self._events.phase("reading new records from the bucket", files=self.newest - store.serial)
        with cat.transaction(), closing(Replay(cat, store)) as replay:
            # Records of format 1 refer to versions by ids, which this catalog may no longer have.
            replay.newest_only = True
            store = self._replay_records(cat, store, store.record_digest, result, replay, exact=True)
            self._settle(cat, store, result, self._copies(json.loads(store.copies)))
            self._sum_up(cat, store, result)
        self._keep_keys(cat)
        if not result.records:
            head = head_of(self._target, self._session.identity, self._record(store.serial))
            result.created_ns = int(str(head["created_ns"]))
        remember(cat.path, self.lineage, result.serial, self._target.identity, result.jobs, result.created_ns)
        return result

    def _check_end(self, store: Store) -> None:
        """Check that the store's last record is still the same object."""
        if store.serial not in self._records or (item := self._records.item(store.serial)).size > _CHECKED:
            return
        # One bad read says nothing about what is stored.
        if all(digest_of(self._target, item.name, item.size) != store.record_digest for _ in range(2)):
            raise Rewritten(
                f"record {store.serial} in the bucket is not the last one of this catalog: the bucket was rolled "
                f"back, and another machine continued from there",
                hint="find out who changed the bucket; `catalog pull JOB` accepts the bucket's current state",
            )

    # -- from nothing

    def load(self) -> Recovered:
        """Replace the store of this lineage in the local catalog by the newest full copy and the records after it.

        If a copy cannot be read, an older one is used. Raises CatalogError, ContainerError or TargetError if
        there is no unbroken chain to the newest record; then the local catalog is unchanged."""
        copies = self._copies([])
        bases: list[_Base] = [*reversed(copies)]
        if not copies or 1 in self._records:
            bases.append(None)
        for base in bases[:-1]:
            if found := self._try(base, copies):
                return found
        return self._load(bases[-1], copies, exact=True)

    def salvage(self) -> Recovered:
        """Replace it by the result of all records, or of a copy and later records if these have gaps; what is still
        missing is then taken from the objects' own indexes."""
        copies = self._copies([])
        bases: list[_Base] = [*reversed(copies)]
        if 1 in self._records:
            bases.insert(0, None)
        found = next(filter(None, (self._try(base, copies) for base in bases)), None)
        found = found or self._load(copies[-1] if copies else None, copies, exact=False)
        self._name_missing_objects()
        return found

    def _try(self, base: _Base, copies: list[_Copy]) -> Recovered | None:
        try:
            return self._load(base, copies, exact=True)
        except WrongKeyError:
            raise
        except (ContainerError, TargetError, CatalogError) as error:
            start = "the first record" if base is None else f"the copy of serial {base[0]}"
            self.notes.append(f"not from {start}: {error.message}")
            return None

    def _load(self, base: _Base, copies: list[_Copy], *, exact: bool) -> Recovered:
        cat = self._session.catalog(create=True)
        assert cat is not None
        result = Recovered(self.lineage, 0, missing=self.missing, notes=self.notes)
        self._events.phase("reading records from the bucket", files=len(self._records))
        with cat.transaction():
            store, previous = self._fresh_store(cat), ""
            replay = Replay(cat, store, empty=True)
            if base is not None:
                try:
                    store, previous = self._replay_copy(cat, store, base, result, replay)
                except (ContainerError, CatalogError):
                    # The catalog must not treat it as a rollback.
                    copies.remove(base)
                    raise
            store = self._replay_records(cat, store, previous, result, replay, exact=exact)
            replay.close()
            check_references(cat, store.id)
            self._settle(cat, store, result, copies)
            if not exact:
                # After settling: rows from indexes are in no record yet, and go into the next one.
                self._from_indexes(cat, store, result)
            self._sum_up(cat, store, result)
        self._keep_keys(cat)
        remember(cat.path, self.lineage, result.serial, self._target.identity, result.jobs, result.created_ns)
        return result

    def _keep_keys(self, cat: Catalog) -> None:
        if self._keys is not None:
            store = next(store for store in cat.stores() if store.lineage == self.lineage)
            self._session.keep(store, self._keys)

    def _fresh_store(self, cat: Catalog) -> Store:
        old = next((store for store in cat.stores() if store.lineage == self.lineage), None)
        shift = 0
        if old is not None:
            if lines.has_changes(cat, old) and _DROPPED not in self.notes:
                self.notes.append(_DROPPED)
            shift = old.shift
            lines.drop_store(cat, old.id)
        if not cat.is_alone(0):
            # Ids of other stores, retired ones too, may be anywhere, so this one's all go above them.
            marks = lines.high_marks(cat)
            shift = max(value for name, value in marks.items() if name != "change")
        store = cat.add_store(
            target=self._target.identity,
            key_id=self._session.identity.key_id,
            lineage=self.lineage,
            salt=self._keys.newest.salt if self._keys else os.urandom(SALT_LENGTH),
        )
        cat.set_store(store.id, shift=shift)
        lines.start_ids_above(cat, shift)
        return cat.store(store.id)

    def _replay_copy(
        self, cat: Catalog, store: Store, base: _Copy, result: Recovered, replay: Replay
    ) -> tuple[Store, str]:
        head, _ = self._replay(cat, store, base[1], replay)
        cat.set_store(store.id, serial=base[0], salt=bytes.fromhex(str(head["salt"])))
        result.copies, result.created_ns = 1, int(str(head["created_ns"]))
        return cat.store(store.id), str(head["previous"])

    def _replay_records(
        self, cat: Catalog, store: Store, previous: str, result: Recovered, replay: Replay, *, exact: bool
    ) -> Store:
        """Replay the records after the store's serial up to the newest."""
        serial, salt = store.serial, store.salt
        for number in self._records.between(serial, self.newest):
            if number != serial + 1 and not self._records.ours(number):
                continue
            try:
                head, digest = self._replay(cat, store, self._records.item(number), replay, previous=previous)
            except (ContainerError, TargetError, CatalogError) as error:
                if isinstance(error, ContainerError) and not self._records.ours(number):
                    continue
                failed = self._gap(serial + 1) if isinstance(error, Rewritten) and number > serial + 1 else error
                if exact:
                    raise failed from error
                self.missing.append(f"record {serial + 1} and all after it: {failed.message}")
                break
            serial, previous, salt = number, digest, bytes.fromhex(str(head["salt"]))
            result.records += 1
            result.created_ns = int(str(head["created_ns"]))
            self._events.advance(1, self._records.item(number).size)
        self.notes += self._records.notes()
        result.serial = serial
        cat.set_store(store.id, serial=serial, record_digest=previous, salt=salt)
        return cat.store(store.id)

    def _gap(self, serial: int) -> CatalogError:
        return CatalogError(
            f"record {serial} of {self.newest} is missing from the bucket",
            hint="`catalog rebuild JOB` recovers what it can from the objects themselves",
        )

    def _record(self, serial: int) -> StoredObject:
        if serial not in self._records:
            raise self._gap(serial)
        return self._records.item(serial)

    def _replay(
        self, cat: Catalog, store: Store, item: StoredObject, replay: Replay, *, previous: str | None = None
    ) -> tuple[Head, str]:
        """Replay a record or copy; returns its header and SHA-256."""
        with rows_of(self._session, item) as (head, rows, digest):
            if previous is not None and head["previous"] != previous:
                raise Rewritten(
                    f"record {head['serial']} does not follow its predecessor: the chain is broken",
                    hint="`catalog rebuild JOB` recovers what it can",
                )
            version = format_of(head)
            replay.record(confined(self.lineage, rows, version), version)
        if "seed" in head:
            cat.set_store(store.id, seed=bytes.fromhex(str(head["seed"])))
        return head, digest

    def _settle(self, cat: Catalog, store: Store, result: Recovered, copies: list[_Copy]) -> None:
        """Mark everything in the catalog as recorded in the bucket, and count it."""
        lines.settle(cat, store.id, lines.high_marks(cat))
        base, first = (copies[-1][1].size, copies[-1][0]) if copies else (0, 1)
        if not copies and 1 in self._records:
            base = self._records.item(1).size
        since = self._records.bytes_between(first, self.newest)
        if store.serial < self.newest:
            # The chain has a gap: the next apply uploads a full copy, from which a pull can start again. The digest
            # of the newest record is unknown.
            since = FORCE_COPY
            cat.set_store(store.id, record_digest="")
        cat.set_store(
            store.id,
            serial=max(store.serial, self.newest),
            base_size=base,
            since_size=since,
            copies=json.dumps([[serial, item.name] for serial, item in copies]),
        )

    def _sum_up(self, cat: Catalog, store: Store, result: Recovered) -> None:
        result.jobs = [name for _, name in cat.jobs(store.id)]
        for job_id, _ in cat.jobs(store.id):
            result.snapshots += len(cat.snapshots(job_id))
            result.files += history.count_files(cat, job_id, b"")

    def _copies(self, known: list[list[object]]) -> list[_Copy]:
        """Full copies that can be decrypted, by serial; those in `known` ([serial, name]) are not read again."""
        serials = {str(name): int(str(serial)) for serial, name in known}
        found: list[_Copy] = []
        refused: list[str] = []
        for item in self._target.list(f"{self.lineage}/copies/"):
            serial = serials.get(item.name)
            if serial is None and len(refused) < _MOST_COPIES:
                try:
                    serial = int(str(head_of(self._target, self._session.identity, item)["serial"]))
                except (ContainerError, ObjectMissing) as error:
                    refused.append(f"the full copy {item.name} cannot be read: {error.message}")
            if serial is not None:
                found.append((serial, item))
        self.notes += refused[:_NAMED]
        if len(refused) > _NAMED:
            self.notes.append(f"at least {len(refused) - _NAMED} more full copies cannot be read")
        return sorted(found, key=lambda pair: pair[0])

    # -- what records do not contain

    def _from_indexes(self, cat: Catalog, store: Store, result: Recovered) -> None:
        """Record objects that are in no record: each content with the path that it had when it was stored."""
        known = {row.name for row in history.objects(cat, store.id)}
        own = f"{self.lineage}/data/"
        # There may be a million, so only the time and the end of the name of each is kept.
        listed = (item for item in self._target.list(own) if item.name not in known)
        unknown = sorted((item.created, item.name.removeprefix(own)) for item in listed)
        if not unknown:
            return
        self._events.phase("reading the objects' own indexes", files=len(unknown))
        made = Made(cat, store)
        for _, last in unknown:
            name = own + last
            try:
                new, index = twice(partial(examine, self._target, self._session.identity, name))
            except (ContainerError, TargetError) as error:
                self.missing.append(f"object {name}: {error.message}")
                continue
            made.add(new, index)
            result.objects += 1
            self._events.advance(1, new.size)
        made.write(self._session.job.name)
        self.missing += made.missing
        self.missing.append(
            "what only the records contained: which snapshot had which files, removed and renamed paths, other names "
            "of equal files, folders, symlinks, hard links, owners and xattrs"
        )

    def _name_missing_objects(self) -> None:
        cat = self._session.need_catalog()
        store = next(store for store in cat.stores() if store.lineage == self.lineage)
        own = f"{self.lineage}/data/"
        listed = {item.name for item in self._target.list(own)}
        for row in history.objects(cat, store.id):
            # Marked ones were about to be deleted when the record was written.
            if row.name.startswith(own) and row.name not in listed and row.state != "marked":
                self.missing.append(
                    f"object {row.name} is not in the bucket; the next plan lists the files that need it"
                )
