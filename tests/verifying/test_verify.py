"""Verify's levels, its sample, what it writes to the catalog, and the chain of records."""

from __future__ import annotations

import hashlib
import os
import pathlib

import orjson
import pytest

from backup_runner.container import ObjectId, parse_name, seal_object
from backup_runner.errors import WrongKeyError
from backup_runner.progress import Silent, VerifyOutcome
from backup_runner.verifying.run import Level, VerifyOptions, verify
from tests.restoring.build import CHEAP, KEYRING, OTHER_KEYRING, SALT, World


def _verify(world: World, level: Level = Level.DATA, **options: object) -> VerifyOutcome:
    return verify(world.session(), VerifyOptions(level, **options), Silent())  # type: ignore[arg-type]


def _states(world: World) -> dict[str, str]:
    return dict(world.catalog.conn.execute("SELECT name, state FROM object"))


def _flip(path: str, at: int) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 255]))


@pytest.fixture
def objects(world: World) -> list[str]:
    """Twenty objects of one file each."""
    for number in range(20):
        world.write(b"file%02d" % number, os.urandom(3000))
        world.back_up()
    return world.object_names()


@pytest.mark.parametrize("level", list(Level))
def test_all_is_well(world: World, objects: list[str], level: Level) -> None:
    outcome = _verify(world, level)
    assert (outcome.damaged, outcome.files, outcome.notes, outcome.objects) == ([], [], [], 20)
    assert (outcome.contents, outcome.bytes) == ((20, 60_000) if level == Level.DATA else (0, 0))


def test_each_level_sees_what_it_can(world: World, objects: list[str]) -> None:
    with open(world.object_path(objects[0]), "ab") as file:
        file.write(b"more")
    _flip(world.object_path(objects[1]), 20)
    _flip(world.object_path(objects[2]), -1 + os.path.getsize(world.object_path(objects[2])))
    _flip(world.object_path(objects[3]), 1500)
    seen = [{name for name, _ in _verify(world, level).damaged} for level in Level]
    assert seen == [set(objects[:1]), set(objects[:3]), set(objects[:4])]


def test_the_catalog_learns_what_was_found_and_forgets_it_when_whole(world: World, objects: list[str]) -> None:
    path = world.object_path(objects[0])
    _flip(path, 1500)
    os.rename(world.object_path(objects[1]), f"{world.root}/aside")
    world.catalog.conn.execute("UPDATE object SET state = 'marked' WHERE name = ?", (objects[2],))
    os.unlink(world.object_path(objects[2]))
    _verify(world)
    assert {state: name for name, state in _states(world).items() if state != "live"} == {
        "damaged": objects[0], "missing": objects[1], "marked": objects[2],
    }  # fmt: skip
    _flip(path, 1500)
    os.rename(f"{world.root}/aside", world.object_path(objects[1]))
    _verify(world, Level.HEADERS)
    assert _states(world)[objects[0]] == "damaged"
    _verify(world)
    assert {_states(world)[name] for name in objects[:2]} == {"live"}


def test_files_are_named_with_the_newest_snapshot_that_needs_them(world: World) -> None:
    path = world.write(b"gone", b"x" * 500)
    world.back_up()
    os.unlink(path)
    world.write(b"there", b"x" * 500)
    world.back_up()
    world.back_up()
    (name,) = world.object_names()
    os.unlink(world.object_path(name))
    gone, there = _verify(world, Level.LISTING).files
    assert (gone.key, there.key) == (b"gone", b"there")
    assert gone.message == f'needed by snapshot 1 of job "work", was in {name}'
    assert there.message == f'needed by 2 snapshots, newest 3 of job "work", was in {name}'


def test_a_sample_says_that_it_is_one(world: World, objects: list[str]) -> None:
    outcome = _verify(world, sample=0.05)
    assert (outcome.objects, outcome.contents) == (20, 1)
    assert "1 of 20 objects" in outcome.notes[0]
    assert _verify(world, sample=0.5).contents == 10
    assert _verify(world, sample=1.0).contents == 20


def test_unknown_objects_are_counted(world: World, objects: list[str]) -> None:
    world.target.put(objects[0][:-4] + "beef", b"x", md5=hashlib.md5(b"x").digest())
    outcome = _verify(world, Level.LISTING)
    assert (outcome.unknown, outcome.damaged) == (1, [])
    assert "not in the catalog" in outcome.notes[0]


def test_a_wrong_key_is_not_damage(world: World, objects: list[str]) -> None:
    with pytest.raises(WrongKeyError):
        verify(world.session(keyring=OTHER_KEYRING), VerifyOptions(Level.HEADERS), Silent())
    assert set(_states(world).values()) == {"live"}


def test_an_index_that_disagrees_with_the_catalog(world: World, objects: list[str]) -> None:
    world.catalog.conn.execute("UPDATE content SET offset = offset + 1, size = size - 1 WHERE object_id = 1")
    ((name, what),) = _verify(world, Level.HEADERS).damaged
    assert world.catalog.conn.execute("SELECT id FROM object WHERE name = ?", (name,)).fetchone() == (1,)
    assert "its index lacks the content" in what


def test_an_object_sealed_anew_by_someone_with_the_key(world: World, objects: list[str]) -> None:
    object_id = parse_name(objects[0])
    assert object_id is not None
    with open(world.object_path(objects[0]), "wb") as file:
        file.write(seal_object(object_id, KEYRING, SALT, b"other", cost=CHEAP))
    found = dict.fromkeys(what for _, what in _verify(world, Level.HEADERS).damaged)
    assert "its header differs from the one in the catalog" in found


def test_stopping(world: World, objects: list[str]) -> None:
    _flip(world.object_path(objects[-1]), 1500)
    asked = iter([False] * 5)
    outcome = _verify(world, stop=lambda: next(asked, True))
    assert outcome.interrupted
    assert 0 < outcome.objects < 20


def test_contents_that_span_objects_are_hashed_whole(tmp_path: pathlib.Path) -> None:
    world = World(str(tmp_path), object_size=3 << 20, segment_size=1 << 20)
    world.write(b"large", os.urandom(10 << 20))
    world.back_up()
    names = world.object_names()
    outcome = _verify(world, workers=2)
    assert (outcome.damaged, outcome.contents) == ([], 1)
    _flip(world.object_path(names[1]), 1 << 20)
    outcome = _verify(world, workers=2)
    assert {name for name, _ in outcome.damaged} == {names[1]}
    assert [one.key for one in outcome.files] == [b"large"]
    _flip(world.object_path(names[1]), 1 << 20)
    assert _verify(world).damaged == []
    assert set(_states(world).values()) == {"live"}


class _Records:
    """Writes a chain of records into the bucket."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.names: list[str] = []
        previous = ""
        for serial in range(1, count + 1):
            sealed = self.put(serial, serial, previous)
            previous = hashlib.sha256(sealed).hexdigest()
        world.catalog.set_store(world.store.id, serial=count, record_digest=previous)

    def put(self, place: int, serial: int, previous: str, *, replace: bool = False) -> bytes:
        lineage = self.world.store.lineage
        object_id = ObjectId.record(bytes.fromhex(lineage), place)
        head = {"record": 1, "lineage": lineage, "serial": serial, "previous": previous}
        payload = orjson.dumps(head) + b"\n" + b'["job",1,"x"]\n' * 1000
        sealed = seal_object(object_id, KEYRING, SALT, payload, segment_size=4096, cost=CHEAP)
        if replace:
            os.unlink(self.path(place))
        else:
            self.names.append(object_id.name)
        self.world.target.put(object_id.name, sealed, md5=hashlib.md5(sealed).digest())
        return sealed

    def path(self, serial: int) -> str:
        return self.world.object_path(self.names[serial - 1])


@pytest.fixture
def records(world: World) -> _Records:
    world.write(b"file")
    world.back_up()
    return _Records(world, 4)


def _wrong(world: World, level: Level = Level.HEADERS) -> dict[int, str]:
    return {int(name[-16:]): what for name, what in _verify(world, level).damaged}


def test_a_sound_chain(world: World, records: _Records) -> None:
    assert _wrong(world) == {}
    assert _wrong(world, Level.DATA) == {}
    os.unlink(records.path(1))
    assert _wrong(world) == {}, "older ones may have been replaced by a copy of the catalog"


def test_a_record_missing_in_the_middle_or_at_the_end(world: World, records: _Records) -> None:
    os.unlink(records.path(2))
    os.unlink(records.path(4))
    assert _wrong(world) == {
        3: "follows record 1: the records in between are missing",
        4: "this record is missing from the bucket",
    }


def test_a_record_replaced_by_another_of_the_same_serial(world: World, records: _Records) -> None:
    records.put(2, 2, "00" * 32, replace=True)
    assert _wrong(world) == {
        2: "does not follow record 1",
    }
    records.put(4, 4, "", replace=True)
    assert "does not follow" in _wrong(world)[4]


def test_a_last_record_that_is_not_the_catalogs(world: World, records: _Records) -> None:
    with open(records.path(3), "rb") as file:
        previous = hashlib.sha256(file.read()).hexdigest()
    records.put(4, 4, previous, replace=True)
    assert _wrong(world) == {4: "is not the record that this catalog wrote or read"}


def test_damaged_records(world: World, records: _Records) -> None:
    _flip(records.path(2), 60)
    assert "header" in _wrong(world)[2]
    _flip(records.path(2), 60)
    _flip(records.path(3), os.path.getsize(records.path(3)) // 2)
    assert 3 in _wrong(world, Level.DATA)
    os.replace(records.path(1), records.path(2))
    assert "another object is stored under this name" in _wrong(world)[2]
