"""Whatever is done to an object: verify names it, restore writes no wrong byte and brings back what is intact."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from backup_runner.progress import Silent, VerifyOutcome
from backup_runner.spec import Overwrite
from backup_runner.verifying.run import Level, VerifyOptions, verify
from tests.restoring.build import World

FULL = os.environ.get("PROOF") == "full"


@dataclass
class Scene:
    """One object, and the files in it: name, bytes, and the range of object bytes that hold them."""

    world: World
    name: str
    sealed: bytes
    files: dict[bytes, tuple[bytes, range]] = field(default_factory=dict)

    def put(self, data: bytes, name: str | None = None) -> None:
        with open(self.world.object_path(name or self.name), "wb") as file:
            file.write(data)

    def verified(self, level: Level = Level.DATA) -> VerifyOutcome:
        return verify(self.world.session(), VerifyOptions(level), Silent())

    def restored(self) -> dict[bytes, bytes]:
        """What a restore brings back; it must name the rest."""
        shutil.rmtree(self.world.out, ignore_errors=True)
        outcome = self.world.restore(overwrite=Overwrite.ALWAYS)
        found = {}
        for key in os.listdir(self.world.out):
            with open(self.world.out + b"/" + key, "rb") as file:
                found[key] = file.read()
        assert {one.key for one in outcome.problems} == set(self.files) - set(found)
        assert all(one.kind in ("damaged", "missing") and self.name in one.message for one in outcome.problems)
        assert all(data == self.files[key][0] for key, data in found.items())
        return found


def _scene(world: World, sizes: dict[bytes, int]) -> Scene:
    seeded = random.Random(7)
    for key, size in sizes.items():
        world.write(key, (seeded.randbytes(40) * size)[:size])
    world.back_up()
    (name,) = world.object_names()
    with open(world.object_path(name), "rb") as file:
        scene = Scene(world, name, file.read())
    header, lengths = world.catalog.conn.execute("SELECT header, segments FROM object").fetchone()
    starts = [len(header)]
    for at in range(0, len(lengths), 4):
        starts.append(starts[-1] + int.from_bytes(lengths[at : at + 4], "little"))
    offset = 0
    for key in sorted(sizes):
        first, last = offset // world.segment_size, max(offset, offset + sizes[key] - 1) // world.segment_size
        with open(world.base + b"/" + key, "rb") as file:
            scene.files[key] = (file.read(), range(starts[first], starts[last + 1]))
        offset += sizes[key]
    assert scene.verified().damaged == []
    assert len(scene.restored()) == len(sizes)
    return scene


@pytest.fixture(params=["object", "pack"])
def scene(request: pytest.FixtureRequest, world: World) -> Scene:
    if request.param == "object":
        return _scene(world, {b"file": 300})
    return _scene(world, {b"a": 3000, b"b": 3000, b"c": 100, b"d": 2400})


def _positions(size: int, share: int) -> Iterator[int]:
    """All in the proof, a seeded slice else; always the first and last."""
    yield from range(size) if FULL else sorted({0, size - 1, *random.Random(3).sample(range(size), min(size, share))})


@pytest.mark.proof
def test_every_byte_flipped(scene: Scene) -> None:
    for at in _positions(len(scene.sealed), 60):
        damaged = bytearray(scene.sealed)
        damaged[at] ^= 1 << at % 8
        scene.put(bytes(damaged))
        outcome = scene.verified()
        assert {name for name, _ in outcome.damaged} == {scene.name}, at
        intact = {key for key, (_, where) in scene.files.items() if at not in where}
        assert set(scene.restored()) == intact, at
        assert {one.key for one in outcome.files} == set(scene.files) - intact, at


@pytest.mark.proof
def test_every_truncation(scene: Scene) -> None:
    for size in _positions(len(scene.sealed), 30):
        scene.put(scene.sealed[:size])
        assert {name for name, _ in scene.verified().damaged} == {scene.name}, size
        assert set(scene.restored()) == {key for key, (_, where) in scene.files.items() if where.stop <= size}, size


@pytest.mark.parametrize("more", [b"\0", b"x" * 5000])
def test_something_appended(scene: Scene, more: bytes) -> None:
    scene.put(scene.sealed + more)
    assert {name for name, _ in scene.verified().damaged} == {scene.name}
    assert set(scene.restored()) == set(scene.files)


def test_segments_in_another_order(world: World) -> None:
    scene = _scene(world, {b"a": 4096, b"b": 4096, b"c": 4096})
    first, second = scene.files[b"a"][1], scene.files[b"b"][1]
    sealed = bytearray(scene.sealed)
    sealed[first.start : second.stop] = (
        scene.sealed[second.start : second.stop] + scene.sealed[first.start : first.stop]
    )
    scene.put(bytes(sealed))
    assert {name for name, _ in scene.verified().damaged} == {scene.name}
    assert set(scene.restored()) == {b"c"}


def _two(world: World) -> tuple[list[str], list[bytes]]:
    world.write(b"a", b"a" * 2000)
    world.back_up()
    world.write(b"b", b"b" * 2000)
    world.back_up()
    names = world.object_names()
    sealed = []
    for name in names:
        with open(world.object_path(name), "rb") as file:
            sealed.append(file.read())
    return names, sealed


def test_objects_swapped(world: World) -> None:
    names, sealed = _two(world)
    for name, data in zip(names, reversed(sealed), strict=True):
        with open(world.object_path(name), "wb") as file:
            file.write(data)
    outcome = verify(world.session(), VerifyOptions(Level.DATA), Silent())
    assert {name for name, _ in outcome.damaged} == set(names)
    restored = world.restore()
    assert {(one.key, one.kind) for one in restored.problems} == {(b"a", "damaged"), (b"b", "damaged")}
    assert os.listdir(world.out) == []


def test_an_object_renamed(world: World) -> None:
    names, _ = _two(world)
    other = names[0][:-4] + "0000"
    os.rename(world.object_path(names[0]), world.object_path(other))
    outcome = verify(world.session(), VerifyOptions(Level.DATA), Silent())
    assert ({name for name, _ in outcome.damaged}, outcome.unknown) == ({names[0]}, 1)
    (problem,) = world.restore().problems
    assert problem.kind == "missing"
    assert names[0] in problem.message


@pytest.mark.parametrize("level", list(Level))
def test_a_missing_object_is_seen_at_every_level(world: World, level: Level) -> None:
    names, _ = _two(world)
    os.unlink(world.object_path(names[1]))
    outcome = verify(world.session(), VerifyOptions(level), Silent())
    assert outcome.damaged == [(names[1], "is missing from the bucket")]
    assert len(outcome.files) == 1


@pytest.mark.parametrize("size", [500, 17 << 20])
@pytest.mark.parametrize("strong", [True, False])
def test_bytes_that_are_authentic_and_yet_not_what_the_catalog_says(world: World, size: int, strong: bool) -> None:
    world.segment_size = 1 << 20
    world.write(b"file", b"x" * size)
    world.back_up()
    if strong:
        world.catalog.conn.execute("UPDATE content SET blake3 = zeroblob(32)")
    else:
        world.catalog.conn.execute("UPDATE content SET blake3 = NULL, md5 = zeroblob(16)")
    assert [one.kind for one in world.restore().problems] == ["damaged"]
    assert os.listdir(world.out) == []
    outcome = verify(world.session(), VerifyOptions(Level.DATA), Silent())
    assert [one.key for one in outcome.files] == [b"file"]
    assert any(("BLAKE3" if strong else "MD5") in what for _, what in outcome.damaged)


@pytest.mark.parametrize("size", [500, 17 << 20])
def test_a_size_counts_where_no_hash_is_known(world: World, size: int) -> None:
    world.segment_size = 1 << 20
    world.write(b"file", b"x" * size)
    world.back_up()
    world.catalog.conn.execute("UPDATE content SET blake3 = NULL, md5 = NULL, size = size + 1")
    assert [one.kind for one in world.restore().problems] == ["damaged"]
    assert os.listdir(world.out) == []
    world.catalog.conn.execute("UPDATE content SET size = size - 1")
    outcome = world.restore()
    assert outcome.problems == []
    assert outcome.notes == ["the catalog has no hash to check it with"]


def test_a_piece_of_a_large_file_damaged(world: World) -> None:
    world.segment_size = 1 << 20
    world.write(b"large", os.urandom(20 << 20))
    world.write(b"other", os.urandom(18 << 20))
    world.back_up()
    (object_id,) = world.catalog.conn.execute(
        "SELECT c.object_id FROM version v JOIN path p ON p.id = v.path_id JOIN content c ON c.id = v.content_id "
        "WHERE p.key = ?", (b"large",),
    ).fetchone()  # fmt: skip
    (name,) = world.catalog.conn.execute("SELECT name FROM object WHERE id = ?", (object_id,)).fetchone()
    with open(world.object_path(name), "r+b") as file:
        file.seek(12 << 20)
        file.write(b"damage")
    outcome = world.restore(workers=2)
    assert [(one.key, one.kind) for one in outcome.problems] == [(b"large", "damaged")]
    assert name in outcome.problems[0].message
    assert os.listdir(world.out) == [b"other"]
