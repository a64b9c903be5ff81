"""One lineage of a bucket, read back: its records and full copies, and the rows they contain.

Records form a chain: each names the SHA-256 of the one before it, so a catalog whose own newest record is part of
the chain is an ancestor, and needs only the records after it.
"""

from __future__ import annotations

import json
import os
from contextlib import closing

from ..catalog import Catalog, history, lines
from ..catalog.database import Store
from ..catalog.replaying import Replay, check_references
from ..container.keys import SALT_LENGTH
from ..errors import CatalogError, ContainerError, TargetError, WrongKeyError
from ..progress import Events
from ..repository.commits import FORCE_COPY
from ..repository.heads import digest_of, head_of
from ..repository.seen import remember, seen_last, seen_serials
from ..repository.session import Session
from .chain import Records
from .copies import Copy, copies_of_removed, full_copies
from .outcome import Recovered, Rewritten
from .replayer import Replayer, gap
from .salvaging import name_missing_objects, take_unknown_objects

_CHECKED = 8 << 20
"""The newest record is fetched to compare its digest only up to this many bytes; later records compare it anyway."""
_DROPPED = "notes of an unfinished apply were dropped; the next plan reuses its uploads"


_Base = Copy | None
"""What to start from: a copy, or None for the first record."""


class Bucket:
    """Reads one lineage into the session's catalog. The caller holds the catalog's lock."""

    def __init__(self, session: Session, lineage: str, events: Events, *, until: int = 0) -> None:
        self._session = session
        self.lineage = lineage
        self._events = events
        self._target = session.target
        self.missing: list[str] = []
        self.notes: list[str] = []
        self._keys = session.know(lineage)
        self._until = until
        self._records = Records(session.target, session.identity, lineage, until=until)

    @property
    def newest(self) -> int:
        """The serial of the newest record that our key can decrypt; 0 without records."""
        return self._records.newest

    def check_age(self, min_serial: int) -> None:
        """Raises CatalogError if this machine, or its user, has seen a newer state."""
        seen = max(seen_serials(self._session.job.catalog.path).get(self.lineage, 0), min_serial)
        # What a removed writer wrote was seen, and counts no longer.
        if self.newest < seen and not self._records.is_void(seen):
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

    # -- from an older catalog

    def advance(self, store: Store) -> Recovered:
        """Replay only the records after the store's serial; ids stay. Raises Rewritten if the store is no ancestor."""
        cat = self._session.need_catalog()
        result = Recovered(self.lineage, store.serial, missing=self.missing, notes=self.notes)
        self._check_end(store)
        if self.newest > store.serial:
            self._events.phase("reading new records from the bucket", files=self.newest - store.serial)
        with cat.transaction(), closing(Replay(cat, store)) as replay:
            # Records of format 1 refer to versions by ids, which this catalog may no longer have.
            replay.newest_only = True
            replayer = Replayer(self._session, cat, self._records, self._events, result)
            store = replayer.records(store, store.record_digest, replay, exact=True)
            self._all_recorded(cat, store, self._copies(json.loads(store.copies)))
            _sum_up(cat, store, result)
        self._keep_keys(cat)
        if not result.records:
            if store.serial not in self._records:
                raise gap(self._records, store.serial)
            head = head_of(self._target, self._session.identity, self._records.item(store.serial))
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

    # -- from scratch

    def load(self) -> Recovered:
        """Replace the store of this lineage in the local catalog by the newest full copy and the records after it.

        If a copy cannot be read, an older one is used. Raises CatalogError, ContainerError or TargetError if
        there is no unbroken chain to the newest record; then the local catalog is unchanged."""
        copies = self._copies([])
        if not copies and 1 not in self._records and (copies := self._copies_of_removed()):
            return self._from_removed(copies, exact=True)
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
        if found is None and not bases and (others := self._copies_of_removed()):
            found = self._from_removed(others, exact=False)
        found = found or self._load(copies[-1] if copies else None, copies, exact=False)
        cat = self._session.need_catalog()
        store = next(store for store in cat.stores() if store.lineage == self.lineage)
        name_missing_objects(self._session, cat, store, found)
        return found

    def _copies_of_removed(self) -> list[Copy]:
        found = copies_of_removed(self._target, self._session.identity, self.lineage, self._records)
        return [one for one in found if not self._until or one[0] <= self._until]

    def _from_removed(self, copies: list[Copy], *, exact: bool) -> Recovered:
        """From a copy that a removed writer made, so that the next apply makes another."""
        found = self._load(copies[-1], copies, exact=exact)
        cat = self._session.need_catalog()
        with cat.transaction():
            store = next(store for store in cat.stores() if store.lineage == self.lineage)
            cat.set_store(store.id, since_size=FORCE_COPY)
        found.notes.append(
            f"everything up to record {copies[-1][0]} is from a full copy that a removed writer made, because there is "
            "no other; check some files from before that record"
        )
        return found

    def _try(self, base: _Base, copies: list[Copy]) -> Recovered | None:
        try:
            return self._load(base, copies, exact=True)
        except WrongKeyError:
            raise
        except (ContainerError, TargetError, CatalogError) as error:
            start = "the first record" if base is None else f"the copy of serial {base[0]}"
            self.notes.append(f"not from {start}: {error.message}")
            return None

    def _load(self, base: _Base, copies: list[Copy], *, exact: bool) -> Recovered:
        cat = self._session.catalog(create=True)
        assert cat is not None
        result = Recovered(self.lineage, 0, missing=self.missing, notes=self.notes)
        self._events.phase("reading records from the bucket", files=len(self._records))
        with cat.transaction():
            salt = self._keys.newest.salt if self._keys else None
            store, previous = _fresh_store(self._session, cat, self.lineage, salt, self.notes), ""
            replay = Replay(cat, store, empty=True)
            replayer = Replayer(self._session, cat, self._records, self._events, result)
            if base is not None:
                try:
                    store, previous = replayer.copy(store, base, replay)
                except (ContainerError, CatalogError):
                    # The catalog must not treat it as a step back to an older state.
                    copies.remove(base)
                    raise
            store = replayer.records(store, previous, replay, exact=exact)
            replay.close()
            check_references(cat, store.id)
            self._all_recorded(cat, store, copies)
            if not exact:
                # After settling: rows from indexes are in no record yet, and go into the next one.
                take_unknown_objects(self._session, cat, store, self._events, result)
            _sum_up(cat, store, result)
        self._keep_keys(cat)
        remember(cat.path, self.lineage, result.serial, self._target.identity, result.jobs, result.created_ns)
        return result

    def _keep_keys(self, cat: Catalog) -> None:
        if self._keys is not None:
            store = next(store for store in cat.stores() if store.lineage == self.lineage)
            self._session.keep(store, self._keys)

    def _all_recorded(self, cat: Catalog, store: Store, copies: list[Copy]) -> None:
        """Mark everything in the catalog as recorded in the bucket, and count it."""
        lines.mark_recorded(cat, store.id, lines.high_marks(cat))
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

    def _copies(self, known: list[list[object]]) -> list[Copy]:
        found = full_copies(self._target, self._session.identity, self.lineage, known, self.notes)
        return [one for one in found if not self._until or one[0] <= self._until]


def _fresh_store(session: Session, cat: Catalog, lineage: str, salt: bytes | None, notes: list[str]) -> Store:
    """An empty store for the lineage in place of the one that the catalog has."""
    old = next((store for store in cat.stores() if store.lineage == lineage), None)
    shift = 0
    if old is not None:
        if lines.has_changes(cat, old) and _DROPPED not in notes:
            notes.append(_DROPPED)
        shift = old.shift
        lines.drop_store(cat, old.id)
    if not cat.is_alone(0):
        # Ids of other stores, retired ones too, may be anywhere, so this one's all go above them.
        marks = lines.high_marks(cat)
        shift = max(value for name, value in marks.items() if name != "change")
    store = cat.add_store(
        target=session.target.identity,
        key_id=session.identity.key_id,
        lineage=lineage,
        salt=salt or os.urandom(SALT_LENGTH),
    )
    cat.set_store(store.id, shift=shift)
    lines.start_ids_above(cat, shift)
    return cat.store(store.id)


def _sum_up(cat: Catalog, store: Store, result: Recovered) -> None:
    result.jobs = [name for _, name in cat.jobs(store.id)]
    for job_id, _ in cat.jobs(store.id):
        result.snapshots += len(cat.snapshots(job_id))
        result.files += history.count_files(cat, job_id, b"")
