"""Records replayed into an empty catalog give the catalog back, whatever happened, wherever the rows lie."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.catalog import Catalog, history, lines, retirement
from backup_runner.catalog.database import Store
from backup_runner.catalog.recording import Meta, NewVersion, Recorder
from backup_runner.catalog.replaying import replay
from backup_runner.catalog.storing import add_object, put_content
from backup_runner.errors import CatalogError
from backup_runner.records import Digests, Extent, Flag, Kind, NewObject

KEYS = [b"", b"a", b"b", b"d/", b"d/x", b"odd\xff", b"new\nline"]


def meta(kind: Kind, size: int, number: int) -> Meta:
    link = b"to\xff" if kind is Kind.SYMLINK else None
    return Meta(kind, size, number, -number, 0o644, number, 2, number % 8, link, b"x\0" if number % 3 == 0 else None)


@dataclass
class Site:
    """One store of a catalog, with a job, and the records it has made."""

    cat: Catalog
    store_id: int
    job_id: int
    records: list[list[bytes]] = field(default_factory=list)
    snapshots: int = 0

    @property
    def store(self) -> Store:
        return self.cat.store(self.store_id)

    def apply(self, number: int, steps: list[tuple[str, int, int]], *, settled: bool) -> None:
        """One snapshot with these steps, and its record; unsettled, the next record has to carry it all again."""
        cat = self.cat
        with cat.transaction():
            snapshot = cat.open_snapshot(self.job_id, scanned_ns=number, started_ns=number, plan_id="p", scope="[]")
            recorder = Recorder(cat, self.store_id, self.job_id, snapshot)
            for step, one, two in steps:
                STEPS[step](self, recorder, one, two)
            status = "partial" if number % 4 == 3 else "complete"
            cat.finish_snapshot(snapshot, status=status, finished_ns=number, totals="{}")
        marks = lines.high_marks(cat)
        record = list(lines.export_changes(cat, self.store, marks))
        assert record == list(lines.export_changes(cat, self.store, marks))
        if settled:
            self.records.append(record)
            with cat.transaction():
                lines.mark_recorded(cat, self.store_id, marks)
            assert not lines.has_changes(cat, self.store)

    def content(self, number: int) -> tuple[int, int]:
        """(id, size) of a content, stored anew if there is none."""
        data = bytes([number]) * number
        digests = Digests(number, hashlib.sha256(data).digest(), hashlib.md5(data).digest())
        found = history.find_content(self.cat, self.store_id, digests)
        return (found if found is not None else self.pack([digests])[0]), number

    def pack(self, wanted: list[Digests]) -> list[int]:
        name = os.urandom(8).hex()
        object_id = add_object(
            self.cat, self.store_id, NewObject(name, 100, 50, "sum", "etag", None, b"head", b"\1\0\0\0", "Standard", 1)
        )
        return [
            put_content(self.cat, self.store_id, one, [Extent(object_id, at, one.size)])
            for at, one in enumerate(wanted)
        ]


def put(site: Site, recorder: Recorder, one: int, two: int) -> None:
    key = KEYS[one % len(KEYS)]
    if key.endswith(b"/") or not key:
        recorder.put_versions([NewVersion(key, meta(Kind.DIRECTORY, 0, two), None)])
    elif two % 5 == 4:
        recorder.put_versions([NewVersion(key, meta(Kind.SYMLINK, 0, two), None)])
    else:
        content_id, size = site.content(two)
        leader = KEYS[1] if two % 3 == 1 else None
        recorder.put_versions([NewVersion(key, meta(Kind.FILE, size, two), content_id, leader)])


def remove(site: Site, recorder: Recorder, one: int, two: int) -> None:
    recorder.remove(KEYS[one % len(KEYS)])


def flag(site: Site, recorder: Recorder, one: int, two: int) -> None:
    recorder.flag(KEYS[one % len(KEYS)], Flag.STALE)


def hold(site: Site, recorder: Recorder, one: int, two: int) -> None:
    recorder.hold(KEYS[one % len(KEYS)], two, two, two)


def repack(site: Site, recorder: Recorder, one: int, two: int) -> None:
    """A content moves to another object; what the old one held alone may be deleted."""
    data = bytes([two]) * two
    site.pack([Digests(two, hashlib.sha256(data).digest(), hashlib.md5(data).digest())])


def drop(site: Site, recorder: Recorder, one: int, two: int) -> None:
    needed = retirement.needed(site.cat)
    ids = [row.id for row in history.objects(site.cat, site.store_id) if row.id not in needed]
    retirement.drop_dead_composed(site.cat, site.store_id)
    doomed = retirement.Doomed(site.cat, site.store_id, ids)
    for object_id in ids if two % 2 else ():
        doomed.drop(object_id)


def forget(site: Site, recorder: Recorder, one: int, two: int) -> None:
    earlier = [item.id for item in site.cat.snapshots(site.job_id) if item.id != recorder.snapshot_id]
    retirement.forget(site.cat, site.job_id, earlier[: 1 + two % 2])


def lose(site: Site, recorder: Recorder, one: int, two: int) -> None:
    state = ("missing", "damaged", "live")[two % 3]
    site.cat.conn.execute(
        "UPDATE object SET state = ? WHERE state != 'marked' AND store_id = ? AND id % 3 = ?",
        (state, site.store_id, one % 3),
    )


STEPS = {"put": put, "remove": remove, "flag": flag, "hold": hold, "repack": repack, "drop": drop, "forget": forget,
         "lose": lose}  # fmt: skip
_STEP = st.tuples(
    st.sampled_from(["put", "put", "put", *STEPS]), st.integers(0, len(KEYS) - 1), st.integers(0, 9)
)  # fmt: skip
_APPLIES = st.lists(st.tuples(st.integers(0, 1), st.lists(_STEP, max_size=8), st.integers(0, 4)), max_size=7)


@contextlib.contextmanager
def new_catalog() -> Iterator[Catalog]:
    with tempfile.TemporaryDirectory() as folder:
        cat = Catalog(f"{folder}/catalog.db", create=True)
        # A property test makes many; nothing here needs to outlive a power cut.
        cat.conn.execute("PRAGMA synchronous = OFF")
        try:
            yield cat
        finally:
            cat.close()


def add_site(cat: Catalog, name: str, *, shift: int = 0) -> Site:
    store = cat.add_store(target=name, key_id="k", lineage=name, salt=b"s")
    cat.set_store(store.id, shift=shift)
    return Site(cat, store.id, 0)


@settings(max_examples=40, deadline=None)
@given(_APPLIES, st.sampled_from([0, 5, 1000]))
def test_replayed_records_are_the_catalog(
    applies: list[tuple[int, list[tuple[str, int, int]], int]], shift: int
) -> None:
    """Two stores share a catalog; each comes back alone, into ids of its own."""
    with new_catalog() as cat, new_catalog() as copy:
        sites = [add_site(cat, name) for name in ("one", "two")]
        for site in sites:
            site.job_id = cat.add_job(site.store_id, "job")
        for number, (which, steps, ending) in enumerate(applies):
            sites[which].apply(number, steps, settled=ending > 0)
        for place, site in enumerate(sites):
            site.apply(99, [], settled=True)
            there = add_site(copy, f"copy {place}", shift=shift + place * 100_000)
            for record in site.records:
                with copy.transaction():
                    replay(copy, there.store, record)
            assert list(lines.export_all(copy, there.store)) == list(lines.export_all(cat, site.store))
            again = add_site(copy, f"again {place}", shift=shift + 1_000_000 + place * 100_000)
            with copy.transaction():
                replay(copy, again.store, list(lines.export_all(cat, site.store)))
            assert list(lines.export_all(copy, again.store)) == list(lines.export_all(cat, site.store))
        for one in (cat, copy):
            assert one.conn.execute("PRAGMA foreign_key_check").fetchall() == []
            assert one.conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        # One store is taken out; the other is as it was.
        kept = list(lines.export_all(cat, sites[1].store))
        with cat.transaction():
            lines.drop_store(cat, sites[0].store_id)
        assert list(lines.export_all(cat, sites[1].store)) == kept
        assert cat.conn.execute("PRAGMA foreign_key_check").fetchall() == []


def test_what_is_gone_gives_its_place_to_what_is_new() -> None:
    """One record may say that a path and a content went, and that others with the same key and hash came."""
    with new_catalog() as cat, new_catalog() as copy:
        site = add_site(cat, "one")
        site.job_id = cat.add_job(site.store_id, "job")
        site.apply(0, [("put", 1, 5)], settled=True)
        site.apply(1, [("remove", 1, 0)], settled=True)
        site.apply(2, [("forget", 0, 1), ("drop", 0, 1), ("put", 1, 5)], settled=True)
        there = add_site(copy, "copy")
        for record in site.records:
            with copy.transaction():
                replay(copy, there.store, record)
        assert list(lines.export_all(copy, there.store)) == list(lines.export_all(cat, site.store))


def test_the_next_record_says_only_what_changed() -> None:
    with new_catalog() as cat:
        site = add_site(cat, "one")
        site.job_id = cat.add_job(site.store_id, "job")
        site.apply(0, [("put", 1, 5), ("put", 2, 6), ("put", 4, 7)], settled=True)
        site.apply(1, [("put", 2, 8)], settled=True)
        tables = [orjson.loads(line)[0] for line in site.records[1]]
        assert sorted(tables) == ["content", "object", "snapshot", "version", "version"]
        site.apply(2, [("flag", 2, 0)], settled=True)
        assert sorted(orjson.loads(line)[0] for line in site.records[2]) == ["snapshot", "version", "version"]
        site.apply(3, [("hold", 1, 3)], settled=True)
        assert sorted(orjson.loads(line)[0] for line in site.records[3]) == ["held", "snapshot"]
        site.apply(4, [("put", 1, 9), ("remove", 2, 0)], settled=True)
        gone = [orjson.loads(line) for line in site.records[4] if line.startswith(b'["-"')]
        assert [row[1] for row in gone] == ["held"]


@pytest.mark.parametrize(
    "line", [b"", b"5", b"[]", b'["nothing",1]', b'["-","nothing",1]', b'["job",1]', b'["path",1,7,{}]',
             b'["version",99,1,null,0,0,0,0,0,0,0,null,0,null,null,null]']
)  # fmt: skip
def test_records_that_do_not_fit(line: bytes) -> None:
    with new_catalog() as cat:
        site = add_site(cat, "one")
        with pytest.raises(CatalogError), cat.transaction():
            replay(cat, site.store, [line])
        assert list(lines.export_all(cat, site.store)) == []
