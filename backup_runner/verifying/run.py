"""Compare the bucket with the catalog: by its listing, by each object's header and index, or byte for byte.

What is found is written to the catalog, so that the next plan repairs what the sources still have.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..catalog import Catalog, CatalogLock
from ..catalog.database import Store
from ..catalog.history import ObjectRow, content, extents, get_object, names_outside, objects
from ..catalog.places import Places
from ..catalog.states import set_states
from ..catalog.verifying import broken_lists, needs, object_sizes, spread_contents
from ..container import ObjectKind, kind_prefix, parse_name
from ..contents.legacy_check import NOTE
from ..contents.sealed import Place, Span
from ..errors import BusyError
from ..options import Level, VerifyOptions
from ..progress import Events, VerifyOutcome
from ..records import Problem, StoredObject
from ..repository.commits import FORCE_COPY
from ..repository.heads import noise_notes
from ..repository.session import Session
from ..targets.base import Target
from ..targets.opening import crew, divided
from ..workers.pool import Pool
from .records import check_records
from .work import Checker, ContentTask, Found, ObjectTask, Task

_LOCK_SECONDS = 10.0
_INLINE_BYTES = 8 << 20
_INLINE_OBJECTS = 16
"""Up to so much, starting processes takes longer than doing it here."""


def verify(session: Session, options: VerifyOptions, events: Events) -> VerifyOutcome:
    """What is damaged or missing, and the files that need it.

    Raises CatalogError (never applied), WrongKeyError, TargetError if the bucket cannot be listed.
    """
    started = time.monotonic()
    cat, store, _ = session.need_store()
    session.check_place(store)
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
    states: dict[int, str] = field(default_factory=dict)
    """What was found of objects, by catalog id."""
    ids: dict[str, int] = field(default_factory=dict)
    """Catalog ids of the objects that were opened, by name."""
    lost: dict[int, str] = field(default_factory=dict)
    """Contents that cannot be read, and the object that is to blame."""
    broken: int = 0
    """The newest record that is not as it should be."""
    asked: frozenset[int] = frozenset()
    """Ids of the objects that are to be opened."""
    ailing: set[int] = field(default_factory=set)
    """Ids of objects that the catalog has as damaged or missing."""
    whole: set[int] = field(default_factory=set)
    """Ids of objects in which nothing wrong was found, byte for byte."""
    cold: int = 0
    useless: int = 0
    imported: int = 0
    _places: Places | None = None

    @property
    def places(self) -> Places:
        """What lies in the objects: looked up once, and only if anything is opened or amiss."""
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
            self.lost.update(dict.fromkeys(lists, "the catalog's list of its pieces is damaged"))
        self._note()
        self._name_files()
        self._record_states()

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
        pool = Pool[Task, Found](workers, lambda: Checker(pickle.loads(target), identity))  # noqa: S301
        try:
            for task, found in pool.run(self._tasks()):
                self._take(task, found)
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
            self.broken = max(self.broken, object_id.serial if object_id else 0)
        self.outcome.notes += noise_notes(noise, "records")
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
        """Compare catalog and listing; objects that are there and to be opened are yielded."""
        for row, stored in _pairs(self.cat, self.session.target, self.store):
            if self._stopped():
                return
            if row is None:
                self.outcome.unknown += 1
                continue
            if row.state == "marked":
                # Its deletion was begun; a catalog that was pulled may not know yet that it ended.
                continue
            wrong = _listed(row, stored)
            if (wrong or row.state == "damaged") and not self.places.ids(row.id):
                self.useless += 1
                continue
            self.outcome.objects += 1
            self.ids[row.name] = row.id
            self.imported += not row.name.startswith(f"{self.store.lineage}/")
            if row.state in ("damaged", "missing"):
                self.ailing.add(row.id)
            if wrong:
                self._damaged(row, wrong, state="damaged" if stored else "missing")
            if stored is None:
                self._lose(row)
            elif row.id not in self.asked:
                if wrong:
                    self._lose(row)
                self.events.advance(1, 0)
            elif stored.cold:
                self.cold += 1
            else:
                yield self._task(row)

    def _task(self, row: ObjectRow) -> ObjectTask:
        data = self.options.level == Level.DATA
        contents = self.places.within(row.id)
        elsewhere: list[Span] = []
        for one in contents if data else ():
            if one.spread and self._readable([extent.object_id for extent in extents(self.cat, one.content_id)]):
                elsewhere.append((one.offset, one.length))
        # One that holds nothing any more is what its name says: what was imported lies outside of the lineage.
        place = Place.of(row, "container" if parse_name(row.name) else "legacy")
        return ObjectTask(row.id, place, row.size, row.plain, contents, elsewhere, data)

    def _readable(self, ids: list[int]) -> bool:
        """Whether all these objects are looked at in this run, so that a content can be followed through them."""
        return all(one in self.asked for one in ids)

    # -- what was found

    def _lose(self, row: ObjectRow) -> None:
        self.lost.update(dict.fromkeys(self.places.ids(row.id), row.name))

    def _take(self, task: Task, found: Found) -> None:
        outcome = self.outcome
        outcome.contents += found.contents
        outcome.bytes += found.bytes
        for name, what in found.damage:
            if (name, what) not in outcome.damaged:
                outcome.damaged.append((name, what))
            self.states[self.ids[name]] = "missing" if found.missing else "damaged"
        for name, what in found.unread:
            outcome.damaged.append((name, f"could not be read: {what}"))
            self.whole.discard(self.ids[name])
        culprit = found.damage[0][0] if found.damage else ""
        self.lost.update(dict.fromkeys(found.lost, culprit))
        if isinstance(task, ObjectTask):
            if task.data and not found.damage and not found.unread:
                self.whole.add(task.object_id)
            self.events.advance(1, task.size)

    def _damaged(self, row: ObjectRow, what: str, *, state: str) -> None:
        self.outcome.damaged.append((row.name, what))
        self.states[row.id] = state

    def _stopped(self) -> bool:
        if not self.outcome.interrupted:
            self.outcome.interrupted = self.options.stop()
        return self.outcome.interrupted

    # -- the end

    def _note(self) -> None:
        notes = self.outcome.notes
        if self.outcome.unknown:
            notes.append(
                f"{self.outcome.unknown} objects of this lineage are not in the catalog; the next apply reuses those "
                "that this key decrypts"
            )
        if self.useless:
            notes.append(f"{self.useless} damaged or missing objects are not needed; prune deletes them")
        if self.cold:
            notes.append(f"{self.cold} objects are in the archive tier and were not read")
        if self.imported:
            notes.append(f"{self.imported} {NOTE}")

    def _name_files(self) -> None:
        for need in needs(self.cat, self.lost):
            snapshots = (
                f"snapshot {need.newest}"
                if need.snapshots == 1
                else f"{need.snapshots} snapshots, newest {need.newest}"
            )
            text = f'needed by {snapshots} of job "{need.job}", was in {self.lost[need.content_id]}'
            self.outcome.files.append(Problem(need.key, "damaged", text))

    def _record_states(self) -> None:
        if not self.outcome.interrupted:
            # Not before the end: contents that span objects are read last.
            for object_id in self.ailing & self.whole:
                self.states.setdefault(object_id, "live")
        if not self.states and not self.broken:
            return
        try:
            with CatalogLock(self.cat.path, wait_seconds=_LOCK_SECONDS), self.cat.transaction():
                set_states(self.cat, self.states)
                self._bridge()
        except BusyError as error:
            self.outcome.notes.append(f"the result could not be recorded in the catalog: {error.message}")

    def _bridge(self) -> None:
        """Where the way from the newest full copy to the newest record is broken, the next apply puts another copy."""
        store = self.cat.store(self.store.id)
        newest = max((serial for serial, _ in json.loads(store.copies)), default=0)
        if self.broken > newest:
            self.cat.set_store(store.id, since_size=FORCE_COPY)


def _pairs(cat: Catalog, target: Target, store: Store) -> Iterator[tuple[ObjectRow | None, StoredObject | None]]:
    """Catalog and listing, both sorted by name, side by side."""
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
    """What the listing alone shows to be wrong."""
    if stored is None:
        return "is missing from the bucket"
    if stored.size != row.size:
        return f"has {stored.size} bytes, {row.size} were stored"
    if stored.checksum and row.checksum and stored.checksum != row.checksum:
        return f"has the checksum {stored.checksum}, {row.checksum} was stored"
    return None
