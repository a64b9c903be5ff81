"""Which snapshot and which paths are meant."""

from __future__ import annotations

import os
from datetime import datetime

import pytest

from backup_runner.errors import BackupRunnerError, CatalogError
from tests.restoring.build import World, tree


@pytest.fixture
def docs(world: World) -> World:
    for key in (b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt", b"docs-old/a.txt", b"photo.jpg", b"odd[1].txt"):
        world.write(key, key)
    os.chmod(world.base + b"/docs", 0o705)
    world.back_up()
    return world


def _files(world: World) -> set[bytes]:
    return {key for key in tree(world.out) if key and not key.endswith(b"/")}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([b"docs"], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt"]),
        ([b"docs/"], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt"]),
        ([b"./docs/deep"], [b"docs/deep/c.txt"]),
        ([b"docs/a.txt", b"photo.jpg"], [b"docs/a.txt", b"photo.jpg"]),
        ([b"docs/a.txt", b"docs/a.txt", b"docs", b"docs"], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt"]),
        ([b"docs/*.txt"], [b"docs/a.txt", b"docs/b.txt"]),
        ([b"**/a.txt"], [b"docs/a.txt", b"docs-old/a.txt"]),
        ([b"docs", b"docs/?.txt"], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt"]),
        ([b"do*"], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt", b"docs-old/a.txt"]),
        ([b"odd[1].txt"], [b"odd[1].txt"]),
        ([b"photo.[jp]*"], [b"photo.jpg"]),
        ([b"a.*"], [b"docs/a.txt", b"docs-old/a.txt"]),
        ([b"*.txt"], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt", b"docs-old/a.txt", b"odd[1].txt"]),
        ([b"dee?"], [b"docs/deep/c.txt"]),
        ([b"."], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt", b"docs-old/a.txt", b"odd[1].txt", b"photo.jpg"]),
    ],
)
def test_selectors(docs: World, paths: list[bytes], expected: list[bytes]) -> None:
    assert docs.restore(*paths).problems == []
    assert _files(docs) == set(expected)


@pytest.mark.parametrize(
    ("here", "paths", "expected"),
    [
        (b"/docs", [b"a.txt"], [b"docs/a.txt"]),
        (b"/docs", [b"./a.txt", b"deep"], [b"docs/a.txt", b"docs/deep/c.txt"]),
        (b"/docs", [b"."], [b"docs/a.txt", b"docs/b.txt", b"docs/deep/c.txt"]),
        (b"/docs/deep", [b"../b.txt"], [b"docs/b.txt"]),
        (b"/docs/deep", [b"../../photo.jpg"], [b"photo.jpg"]),
        (b"/docs", [b"docs/deep"], [b"docs/deep/c.txt"]),
        (b"/docs", [b"photo.jpg"], [b"photo.jpg"]),
        (b"/docs", [b"./*.txt"], [b"docs/a.txt", b"docs/b.txt"]),
        (b"/docs", [b"deep/*"], [b"docs/deep/c.txt"]),
        (b"/docs", [b"docs/*/*"], [b"docs/deep/c.txt"]),
    ],
)
def test_paths_relative_to_where_one_stands(
    docs: World, here: bytes, paths: list[bytes], expected: list[bytes]
) -> None:
    assert docs.restore(*paths, here=docs.base + here).problems == []
    assert _files(docs) == set(expected)


@pytest.mark.parametrize(
    ("paths", "exclude", "expected"),
    [
        ([], [b"docs"], [b"docs-old/a.txt", b"photo.jpg", b"odd[1].txt"]),
        ([b"docs"], [b"deep", b"b.*"], [b"docs/a.txt", b"docs/deep/c.txt"]),
        ([b"docs"], [b"docs/deep", b"b.*"], [b"docs/a.txt"]),
        ([], [b"*.txt"], [b"photo.jpg"]),
        ([b"*.txt"], [b"do*"], [b"odd[1].txt"]),
        ([], [b"/docs/**", b"*.jpg", b"odd[1].txt"], [b"docs-old/a.txt"]),
    ],
)
def test_what_is_excluded_stays_away(
    docs: World, paths: list[bytes], exclude: list[bytes], expected: list[bytes]
) -> None:
    out = tuple(docs.base + one if one.startswith(b"/") else one for one in exclude)
    assert docs.restore(*paths, exclude=out).problems == []
    assert _files(docs) == set(expected)


def test_absolute_paths_are_those_on_disk(docs: World) -> None:
    docs.restore(docs.base + b"/docs/deep")
    assert _files(docs) == {b"docs/deep/c.txt"}
    with pytest.raises(BackupRunnerError, match="/elsewhere is not below"):
        docs.restore(b"/elsewhere")


def test_folders_on_the_way_have_their_own_modes(docs: World) -> None:
    docs.restore(b"docs/deep/c.txt")
    original, restored = tree(docs.base), tree(docs.out)
    assert restored[b"docs/"] == original[b"docs/"]
    assert restored[b"docs/deep/"] == original[b"docs/deep/"]


def test_what_matches_nothing_is_named_with_what_is_near(docs: World) -> None:
    with pytest.raises(BackupRunnerError) as caught:
        docs.restore(b"docs", b"docs/aa.txt", b"phot.jpg", b"zzz/*")
    lines = caught.value.message.splitlines()
    assert [line.partition(" matches ")[2] for line in lines] == [
        "'docs/aa.txt'; did you mean 'docs/a.txt' or 'docs/b.txt'?",
        "'phot.jpg'; did you mean 'photo.jpg'?",
        "'zzz/*'",
    ]
    assert not os.path.exists(docs.out)


def _at(day: int, hour: int = 12) -> int:
    return int(datetime(2026, 3, day, hour).astimezone().timestamp() * 1_000_000_000)


@pytest.fixture
def history(world: World) -> World:
    for text, when, status in (
        (b"first", _at(1), "complete"),
        (b"second", _at(2), "complete"),
        (b"cut off", _at(3), "partial"),
    ):
        world.write(b"file", text)
        world.back_up(scanned_ns=when, status=status)
    return world


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, b"second"),
        ("latest", b"second"),
        ("1", b"first"),
        ("3", b"cut off"),
        ("2026-03-01", b"first"),
        ("2026-03-02", b"second"),
        ("2026-03-02T11:59", b"first"),
        ("2026-03-02 12:00:00", b"second"),
        ("2026-03-09", b"second"),
    ],
)
def test_snapshots_by_id_and_time(history: World, at: str | None, expected: bytes) -> None:
    outcome = history.restore(at=at)
    with open(history.out + b"/file", "rb") as file:
        assert file.read() == expected
    assert bool(outcome.notes) == (expected == b"cut off")


def test_a_partial_snapshot_when_there_is_no_complete_one(world: World) -> None:
    world.write(b"file")
    world.back_up(status="partial")
    assert "incomplete" in world.restore().notes[0]


@pytest.mark.parametrize(
    ("at", "message"),
    [("7", "no snapshot 7"), ("2026-02-28", "no snapshot at or before 2026-02-28"), ("soon", "neither a snapshot id")],
)
def test_snapshots_that_are_not_there(history: World, at: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message) as caught:
        history.restore(at=at)
    assert at == "soon" or "3 of 2026-03-03" in str(caught.value.hint)


def test_a_path_that_is_gone_is_there_in_the_earlier_snapshot(world: World) -> None:
    path = world.write(b"file")
    first = world.back_up()
    os.unlink(path)
    world.write(b"other")
    world.back_up()
    world.restore(at=str(first))
    assert _files(world) == {b"file"}
    with pytest.raises(BackupRunnerError, match="'file'"):
        world.restore(b"file")
