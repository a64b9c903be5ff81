"""docs/recover.py on objects of suite 2: every kind of secret, composed contents, and what it refuses."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from blake3 import blake3

from backup_runner.container import IndexEntry, ObjectId
from backup_runner.container.identity import Identity
from backup_runner.container.suite2.lineage import Lineage, Rights, Writer
from backup_runner.container.suite2.roster import Roster, seal_keys
from backup_runner.container.suite2.sealer import seal_object
from backup_runner.container.suite2.seeds import Secret, SecretKind, seal_pair
from backup_runner.container.suite2.signing import SigningKey

from .lineages import SEGMENT, World, pair

RECOVER = Path(__file__).parents[2] / "docs" / "recover.py"
RAW = bytes(range(200, 232))
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def started(*arguments: object, key: bytes | str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "key").write_bytes(key.encode() if isinstance(key, str) else key)
        line = [sys.executable, str(RECOVER), *map(str, arguments)]
        if "--passphrase-file" not in arguments or b"bkr-" in (tmp_path / "key").read_bytes():
            line += ["--key-file", str(tmp_path / "key")]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done

    return started


def put(folder: Path, object_id: ObjectId, data: bytes) -> Path:
    path = folder / object_id.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def digest(data: bytes) -> bytes:
    return bytes(blake3(data).digest())


def file_entry(content: bytes, path: bytes, offset: int = 0) -> IndexEntry:
    md5 = hashlib.md5(content).digest()
    return IndexEntry(len(content), md5, digest(content), offset, len(content), path=path, mode=0o640, mtime_ns=10**18)


def pieces_of(parts: list[bytes]) -> list[IndexEntry]:
    found, at = [], 0
    for part in parts:
        found.append(IndexEntry(len(part), None, digest(part), at, len(part)))
        at += len(part)
    return found


def seal(world: World, tag: str, payload: bytes, entries: list[IndexEntry]) -> bytes:
    return seal_object(world.lineage(), world.data(tag), payload, entries=entries, segment_size=SEGMENT)


def test_each_kind_of_secret(run: Run, tmp_path: Path) -> None:
    secrets = {
        "raw": Secret(SecretKind.RAW, RAW),
        "text": Secret(SecretKind.TEXT, RAW),
        "passphrase": Secret.of_passphrase("correct horse é"),
        "pair": pair("pair"),
    }
    people = {name: Identity(secret) for name, secret in secrets.items()}
    world = World(people["raw"])
    world.amend(*(people[name] for name in ("text", "passphrase", "pair")))
    path = put(tmp_path / "bucket", world.data(), seal(world, "object", b"hello", [file_entry(b"hello", b"docs/a")]))
    (tmp_path / "words").write_text("correct horse e\u0301\n")
    keys: list[tuple[bytes | str, list[object]]] = [
        (RAW + b"\n", []),
        (RAW.hex(), []),
        (secrets["raw"].text, []),
        (secrets["text"].text + "\n", []),
        (f"# ops\n{secrets['pair'].text.upper()}\n", []),
        (seal_pair(secrets["pair"], "correct horse é"), ["--passphrase-file", tmp_path / "words"]),
        ("", ["--passphrase-file", tmp_path / "words"]),
    ]
    for number, (key, options) in enumerate(keys):
        goal = tmp_path / str(number)
        done = run("extract", path, "--to", goal, *options, key=key)
        assert (done.returncode, (goal / "docs" / "a").read_bytes()) == (0, b"hello"), done.stderr
        assert "not whether a signer was removed" in done.stderr
    refused = run("list", path, key=b"x" * 24)
    assert (refused.returncode, "WRONG KEY" in refused.stderr) == (1, True)
    mistyped = secrets["text"].text
    mistyped = mistyped[:20] + ("q" if mistyped[20] != "q" else "p") + mistyped[21:]
    said = run("list", path, key=mistyped)
    assert said.returncode == 1
    assert "mistyped" in said.stderr


def test_composed_contents_of_several_packs(run: Run, tmp_path: Path) -> None:
    world, parts = World(), [os.urandom(size) for size in (5000, 9000, 3, 7000)]
    whole = parts[0] + parts[1] + parts[0] + parts[2] + parts[3]
    order = [(digest(part), len(part)) for part in (parts[0], parts[1], parts[0], parts[2], parts[3])]
    composed = file_entry(whole, b"large/image")._replace(length=0, pieces=order)
    bucket = tmp_path / "bucket"
    put(bucket, world.data("1"), seal(world, "1", b"".join(parts[:2]), pieces_of(parts[:2])))
    small = [*pieces_of(parts[2:]), file_entry(b"small", b"small", len(parts[2] + parts[3])), composed]
    put(bucket, world.data("2"), seal(world, "2", parts[2] + parts[3] + b"small", small))
    done = run("extract", bucket, "--to", tmp_path / "goal", key=pair("owner").text)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "goal" / "large" / "image").read_bytes() == whole
    assert sorted(path.name for path in (tmp_path / "goal").iterdir()) == ["large", "small"]
    listed = run("list", bucket, key=pair("owner").text)
    number = next(line.split("\t")[0] for line in listed.stdout.splitlines() if "large/image" in line)
    one = run("extract", bucket, "--to", tmp_path / "one", "--content", number, key=pair("owner").text)
    assert (one.returncode, os.listdir(tmp_path / "one")) == (0, ["large"])
    second = run("extract", bucket / world.data("2").name, "--to", tmp_path / "part", key=pair("owner").text)
    assert second.returncode == 1
    assert "a piece of 5000 bytes lies in an object that was not given" in second.stderr


def test_lists_of_pieces_over_several_objects(run: Run, tmp_path: Path) -> None:
    world, parts = World(), [os.urandom(5000), os.urandom(6000)]
    whole, bucket = b"".join(parts), tmp_path / "bucket"
    entry = file_entry(whole, b"large")._replace(length=0, group=b"g" * 16)
    for number, part in enumerate(parts):
        at = number * len(parts[0])
        line = entry._replace(at=at, pieces=[(digest(part), len(part))])
        line = line if number else line._replace(md5=None, blake3=None)
        put(bucket, world.data(str(number)), seal(world, str(number), part, [*pieces_of([part]), line]))
    done = run("extract", bucket, "--to", tmp_path / "goal", key=pair("owner").text)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "goal" / "large").read_bytes() == whole


def test_a_later_envelope_opens_what_an_earlier_did_not(run: Run, tmp_path: Path) -> None:
    world, late, bucket = World(), Identity(pair("late")), tmp_path / "bucket"
    put(bucket, world.data(), seal(world, "object", b"hello", [file_entry(b"hello", b"a")]))
    assert "WRONG KEY" in run("list", bucket, key=pair("late").text).stderr
    world.rotate(late)
    put(bucket, *seal_keys(world.lineage(), Roster([])))
    done = run("extract", bucket, "--to", tmp_path / "goal", key=pair("late").text)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "goal" / "a").read_bytes() == b"hello"


def test_unsigned_objects_only_when_asked(run: Run, tmp_path: Path) -> None:
    world = World()
    data = seal(world, "object", b"hello", [file_entry(b"hello", b"a")])
    stranger = object.__new__(Lineage)
    object.__setattr__(stranger, "envelope", world.newest)
    object.__setattr__(stranger, "writer", Writer(SigningKey.from_seed(b"s" * 32), Rights.OWNER))
    planted = seal_object(stranger, world.data(), b"evil", entries=[file_entry(b"evil", b"a")])
    for number, changed in enumerate((data[:-304], data[:-1], data + b"x", planted)):
        path = put(tmp_path / "bucket", world.data(), changed)
        goal = tmp_path / str(number)
        done = run("extract", path, "--to", goal, key=pair("owner").text)
        assert (done.returncode, goal.exists()) == (1, False), done.stderr
        assert "--unsigned reads it" in done.stderr
        done = run("extract", path, "--to", goal, "--unsigned", key=pair("owner").text)
        assert (done.returncode, os.listdir(goal)) == (1, ["a"])
        assert "DAMAGED" in done.stderr


def test_every_flipped_byte(recover: ModuleType, tmp_path: Path) -> None:
    world = World()
    data = seal(world, "object", b"hello " * 300, [file_entry(b"hello " * 300, b"a")])
    key = recover.Secret(pair("owner").value, "pair")
    path = tmp_path / "object"

    def read(content: bytes) -> bytes:
        path.write_bytes(content)
        found = recover.open_object(path, world.data().name, key)
        return b"".join(found.segment(number) for number in range(len(found.lengths)))

    assert read(data) == b"hello " * 300
    for at in [*range(0, len(data), 3)]:
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(recover.DamagedError):
            read(bytes(flipped))
