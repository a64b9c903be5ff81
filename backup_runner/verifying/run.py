"""Compares the bucket with the catalog: by its listing, by each object's header and index, or byte for byte.

Findings are written to the catalog, so that the next plan repairs what the sources still have.
"""

from __future__ import annotations

import os
import pickle
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..catalog import Catalog
from ..catalog.database import Store
from ..catalog.history import ObjectRow, content, extents, get_object, names_outside, objects
from ..catalog.places import Places
from ..catalog.verifying import broken_lists, object_sizes, spread_contents
from ..container import ObjectKind, kind_prefix, parse_name
from ..contents.sealed import Place, Span
from ..options import Level, VerifyOptions
from ..progress import Events, VerifyOutcome
from ..records import StoredObject
from ..repository.heads import noise_notes
from ..repository.session import Session, check_place
from ..targets.base import Target
from ..targets.opening import crew, divided
from ..workers.pool import Pool
from .findings import Findings
from .records import check_records
from .work import Checked, Checker, ContentTask, ObjectTask, Task

_LOCK_SECONDS = 10.0
_INLINE_BYTES = 8 << 20
_INLINE_OBJECTS = 16
"""Up to this many bytes, starting processes takes longer than doing it here."""


def verify(session: Session, options: VerifyOptions, events: Events) -> VerifyOutcome:
    """Find what is damaged or missing, and the files that need it.

    Raises CatalogError (never applied), WrongKeyError, TargetError if the bucket cannot be listed.
    """
    started = time.monotonic()
    cat, store, _ = session.need_store()
    check_place(session.target, store)
    run = _Verify(session, options, events, cat, store)
    run.all()
    run.outcome.seconds = time.monotonic() - started
    return run.outcome


@dataclass(slots=True)
class _Verify:
    session: Session
    options: VerifyOptions
    events: Events
    cat: Catalog
    store: Store
    outcome: VerifyOutcome = field(default_factory=VerifyOutcome)
    findings: Findings = field(init=False)
    asked: frozenset[int] = frozenset()
    """Ids of the objects to read."""
    _places: Places | None = None

    def __post_init__(self) -> None:
        self.findings = Findings(self.outcome)

    @property
    def places(self) -> Places:
        """The contents of objects: looked up once, and only if objects are read or something is wrong."""
        if self._places is None:
            self._places = Places(self.cat, self.store.id)
        return self._places

    def all(self) -> None:
        options, outcome = self.options, self.outcome
        outcome.level = Level(options.level).value
        everything = object_sizes(self.cat, self.store.id)
        self.asked = self._sample(list(everything))
        self.events.phase("verifying", files=len(everything), size=sum(everything[one] for one in self.asked))
        if options.level == Level.LISTING:
            for _ in self._object_tasks():
                pass
        else:
            data = sum(everything[one] for one in self.asked) if options.level == Level.DATA else 0
            self._open_all(inline=data <= _INLINE_BYTES and len(self.asked) <= _INLINE_OBJECTS)
        if options.level != Level.LISTING:
            lists = broken_lists(self.cat, self.store.id)
            self.findings.lose(lists, "the catalog's list of its pieces is damaged")
        self.findings.note()
        self.findings.name_files(self.cat)
        self.findings.record(self.cat, self.store)

    def _sample(self, everything: list[int]) -> frozenset[int]:
        if self.options.level == Level.LISTING:
            return frozenset()
        if self.options.sample is None:
            return frozenset(everything)
        count = min(len(everything), max(1, round(len(everything) * self.options.sample)))
        self.outcome.notes.append(f"sample: {count} of {len(everything)} objects, chosen at random")
        return frozenset(random.SystemRandom().sample(everything, count))

    def _open_all(self, *, inline: bool) -> None:
        identity = self.session.unlock(self.store)
        workers = 0 if inline else crew(self.session.target, self.options.workers or os.cpu_count() or 1)
        target = pickle.dumps(divided(self.session.target, max(1, workers)))
        pool = Pool[Task, Checked](workers, lambda: Checker(pickle.loads(target), identity))  # noqa: S301
        try:
            for task, found in pool.run(self._tasks()):
                self.findings.take(task, found)
                if isinstance(task, ObjectTask):
                    self.events.advance(1, task.size)
        finally:
            pool.close()
        data = self.options.level == Level.DATA
        cold: list[str] = []
        noise: list[str] = []
        broken = check_records(
            self.session.target, identity, self.store, data=data, stop=self._stopped, cold=cold, noise=noise
        )
        for name, what in broken:
            self.outcome.damaged.append((name, what))
            object_id = parse_name(name)
            self.findings.broken = max(self.findings.broken, object_id.serial if object_id else 0)
        self.outcome.notes += noise_notes(sorted(noise), "records")
        if cold:
            self.outcome.notes.append(
                f"{len(cold)} records are in the archive tier and were not read; `catalog pull --thaw` makes them "
                f"readable"
            )

    # -- tasks

    def _tasks(self) -> Iterator[Task]:
        yield from self._object_tasks()
        if self.options.level != Level.DATA:
            return
        for content_id in spread_contents(self.cat, self.store.id):
            if self._stopped():
                return
            found = extents(self.cat, content_id)
            if self._readable([extent.object_id for extent in found]):
                row = content(self.cat, content_id)
                places = [(Place.of(get_object(self.cat, one.object_id), row.format), one) for one in found]
                yield ContentTask(row.id, row.size, row.blake3, row.md5, places)

    def _object_tasks(self) -> Iterator[Task]:
        """Compare catalog and listing; yields existing objects that must be read."""
        findings = self.findings
        for row, stored in _pairs(self.cat, self.session.target, self.store):
            if self._stopped():
                return
            if row is None:
                self.outcome.unknown += 1
                continue
            if row.state == "marked":
                # Its deletion was begun; a pulled catalog may not show that it was completed.
                continue
            wrong = _listed(row, stored)
            if (wrong or row.state == "damaged") and not self.places.ids(row.id):
                findings.useless += 1
                continue
            findings.meet(row, imported=not row.name.startswith(f"{self.store.lineage}/"))
            if wrong:
                findings.damaged(row, wrong, state="damaged" if stored else "missing")
            if stored is None:
                findings.lose(self.places.ids(row.id), row.name)
            elif row.id not in self.asked:
                if wrong:
                    findings.lose(self.places.ids(row.id), row.name)
                self.events.advance(1, 0)
            elif stored.cold:
                findings.cold += 1
            else:
                yield self._task(row)

    def _task(self, row: ObjectRow) -> ObjectTask:
        self.events.now(row.name.encode())
        data = self.options.level == Level.DATA
        contents = self.places.within(row.id)
        elsewhere: list[Span] = []
        for one in contents if data else ():
            if one.spread and self._readable([extent.object_id for extent in extents(self.cat, one.content_id)]):
                elsewhere.append((one.offset, one.length))
        # For an object without contents, the name shows its format: imported objects are outside the lineage.
        place = Place.of(row, "container" if parse_name(row.name) else "legacy")
        return ObjectTask(row.id, place, row.size, row.plain, contents, elsewhere, data)

    def _readable(self, ids: list[int]) -> bool:
        """Whether this run reads all these objects, so that a content in several of them can be checked."""
        return all(one in self.asked for one in ids)

    def _stopped(self) -> bool:
        if not self.outcome.interrupted:
            self.outcome.interrupted = self.options.stop()
        return self.outcome.interrupted


def _pairs(cat: Catalog, target: Target, store: Store) -> Iterator[tuple[ObjectRow | None, StoredObject | None]]:
    """Merges catalog and listing, both sorted by name."""
    own = kind_prefix(bytes.fromhex(store.lineage), ObjectKind.DATA)
    outside = frozenset(names_outside(cat, store.id, own))
    imported = {found.name: found for found in target.list() if found.name in outside} if outside else {}
    listing = target.list(own)
    stored = next(listing, None)
    for row in objects(cat, store.id):
        if row.name in outside:
            yield row, imported.get(row.name)
            continue
        while stored is not None and stored.name < row.name:
            yield None, stored
            stored = next(listing, None)
        if stored is not None and stored.name == row.name:
            yield row, stored
            stored = next(listing, None)
        else:
            yield row, None
    while stored is not None:
        yield None, stored
        stored = next(listing, None)


def _listed(row: ObjectRow, stored: StoredObject | None) -> str | None:
    """What is wrong according to the listing alone."""
    if stored is None:
        return "is missing from the bucket"
    if stored.size != row.size:
        return f"has {stored.size} bytes, {row.size} were stored"
    if stored.checksum and row.checksum and stored.checksum != row.checksum:
        return f"has the checksum {stored.checksum}, {row.checksum} was stored"
    return None
