"""docs/recover.py at the command line: names, joining, and that it writes nowhere but below --to."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backup_runner.container import IndexEntry, ObjectId, ObjectKind

RECOVER = Path(__file__).parents[2] / "docs" / "recover.py"
LINEAGE = bytes(range(16))

Seal = Callable[..., bytes]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "key").write_bytes(b"k" * 32 + b"\n")

    def started(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, str(RECOVER), *map(str, arguments), "--key-file", str(tmp_path / "key")]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done

    return started


@pytest.fixture
def store(tmp_path: Path, seal: Seal) -> Callable[..., Path]:
    """Put an object where a directory target has it."""

    def stored(payload: bytes, entries: list[IndexEntry], tag: bytes = b"i") -> Path:
        object_id = ObjectId(LINEAGE, ObjectKind.DATA, tag * 16)
        path = tmp_path / "bucket" / object_id.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seal(object_id, payload, entries=entries))
        return path

    return stored


def entry(content: bytes, path: bytes | None, offset: int = 0) -> IndexEntry:
    md5 = hashlib.md5(content).digest()
    return IndexEntry(len(content), md5, bytes(32), offset, len(content), path=path, mode=0o640, mtime_ns=10**18)


def test_the_name_comes_from_the_path_and_is_checked(run: Run, store: Callable[..., Path], tmp_path: Path) -> None:
    path = store(b"hello", [entry(b"hello", b"docs/a.txt")])
    listed = run("list", path)
    assert listed.returncode == 0
    assert "docs/a.txt" in listed.stdout
    moved = tmp_path / "moved.bin"
    path.rename(moved)
    refused = run("extract", moved, "--to", tmp_path / "out")
    assert refused.returncode == 1
    assert "but it is" in refused.stderr
    assert not (tmp_path / "out" / "docs").exists()
    taken = run("extract", moved, "--any-name", "--to", tmp_path / "out")
    assert taken.returncode == 0
    assert "name not checked" in taken.stderr
    found = tmp_path / "out" / "docs" / "a.txt"
    assert found.read_bytes() == b"hello"
    assert (found.stat().st_mode & 0o777, found.stat().st_mtime_ns) == (0o640, 10**18)


@pytest.mark.parametrize("path", [b"../evil", b"/evil", b"a/../../evil", b"a//evil", b"link/evil", b"", b"a\0b"])
def test_nothing_is_written_outside(run: Run, store: Callable[..., Path], tmp_path: Path, path: bytes) -> None:
    stored = store(b"hello", [entry(b"hello", path)])
    outside, goal = tmp_path / "outside", tmp_path / "deep" / "goal"
    outside.mkdir()
    goal.mkdir(parents=True)
    (goal / "link").symlink_to(outside)
    done = run("extract", stored, "--to", goal)
    assert list(tmp_path.rglob("evil")) == []
    assert list(outside.iterdir()) == []
    if path:
        assert done.returncode == 1
        assert "NOT RECOVERED 0" in done.stderr
    else:
        assert (goal / "content-0").read_bytes() == b"hello"


def test_what_is_there_is_left(run: Run, store: Callable[..., Path], tmp_path: Path) -> None:
    stored = store(b"hello", [entry(b"hello", b"a"), entry(b"hell", b"b")])
    goal, outside = tmp_path / "goal", tmp_path / "outside"
    goal.mkdir()
    (goal / "a").symlink_to(outside)
    done = run("extract", stored, "--to", goal)
    assert done.returncode == 1
    assert "nothing was overwritten" in done.stderr
    assert not outside.exists()
    assert sorted(os.listdir(goal)) == ["a", "b"]


def test_a_wrong_hash_leaves_no_file(run: Run, store: Callable[..., Path], tmp_path: Path) -> None:
    wrong = entry(b"hello", b"a")._replace(md5=bytes(16))
    done = run("extract", store(b"hello", [wrong]), "--to", tmp_path / "goal")
    assert done.returncode == 1
    assert "MD5 differs" in done.stderr
    assert os.listdir(tmp_path / "goal") == []


def test_long_names_one_content_and_payload(run: Run, store: Callable[..., Path], tmp_path: Path) -> None:
    stored = store(b"helloworld", [entry(b"hello", b"n" * 255), entry(b"world", None, 5)])
    assert run("extract", stored, "--to", tmp_path / "all").returncode == 0
    assert sorted(os.listdir(tmp_path / "all")) == ["content-1", "n" * 255]
    assert run("extract", stored, "--to", tmp_path / "one", "--content", 1).returncode == 0
    assert os.listdir(tmp_path / "one") == ["content-1"]
    assert run("extract", stored, "--to", tmp_path / "one", "--content", 2).returncode == 1
    assert run("payload", stored, "--to", tmp_path / "raw").returncode == 0
    assert (tmp_path / "raw").read_bytes() == b"helloworld"


def test_stretches_of_several_objects_are_joined(run: Run, store: Callable[..., Path], tmp_path: Path) -> None:
    content = os.urandom(20000)
    whole = entry(content, b"large")._replace(group=b"g" * 16)
    stored = []
    for tag, at, length in ((b"1", 0, 9000), (b"2", 9000, 9000), (b"3", 18000, 2000)):
        one = whole._replace(offset=0, length=length, at=at)
        if tag != b"3":
            one = one._replace(md5=None, blake3=None)
        stored.append(store(content[at : at + length], [one], tag))
    assert run("extract", *reversed(stored), "--to", tmp_path / "goal").returncode == 0
    assert (tmp_path / "goal" / "large").read_bytes() == content
    for missing in range(3):
        given = [path for number, path in enumerate(stored) if number != missing]
        done = run("extract", *given, "--to", tmp_path / f"without-{missing}")
        assert done.returncode == 1
        assert "was not given" in done.stderr
        assert os.listdir(tmp_path / f"without-{missing}") == []


def test_a_truncated_object_still_gives_its_first_segments(run: Run, store: Callable[..., Path]) -> None:
    content = os.urandom(10000)
    stored = store(content, [entry(content, b"f")])
    stored.write_bytes(stored.read_bytes()[:9000])
    done = subprocess.run(
        [sys.executable, str(RECOVER), "payload", str(stored), "--key-file", str(stored.parents[3] / "key")],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == content[:8192]
    assert b"its index is lost" in done.stderr


@pytest.mark.parametrize("length", [0, 15, 17, 33])
def test_keys_of_a_wrong_length(run: Run, store: Callable[..., Path], tmp_path: Path, length: int) -> None:
    stored = store(b"hello", [])
    (tmp_path / "key").write_bytes(b"k" * length + b"\n")
    done = run("list", stored)
    assert done.returncode == 1
    assert f"16, 24 or 32 bytes, this one has {length}" in done.stderr
