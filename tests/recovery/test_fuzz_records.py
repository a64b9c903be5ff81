"""Lines of records that are anything at all: each is taken, or refused with an error of the program's own, at once.

A seeded slice in `make test`; 10^6 inputs in `make proof`."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from backup_runner.catalog import Catalog
from backup_runner.catalog.replaying import Replay
from backup_runner.errors import BackupRunnerError, CatalogError
from backup_runner.recovery.confine import bounded, confined
from tests.support.measured import forget_peak, peak

LINEAGE = "ab" * 16
SLICE, WHOLE = 3_000, 1_000_000

SOUND: list[list[Any]] = [
    ["job", 1, "work"],
    ["snapshot", 1, 1, 5, 5, 6, "complete", "p", "[]", "{}"],
    ["path", 1, 1, "a"],
    ["path", 2, 1, {"base64": "/w=="}],
    ["path", 3, 1, "d/"],
    ["object", 1, f"{LINEAGE}/data/{'cd' * 16}", 9, 4, "sum", "etag", None, "aGVhZA==", "CQAAAA==", "Standard", 5,
     "live", 0],
    ["content", 1, 4, "00" * 32, "11" * 16, "container", 0, 0, [[1, 0, 4]]],
    ["version", 1, 1, 1, None, 0, 4, 5, 5, 33188, 0, 0, 1, 0, None, None, None],
    ["version", 2, 2, 1, 2, 2, 0, 5, 5, 41471, 0, 0, None, 0, "to", "AA==", None],
    ["version", 3, 3, 1, None, 1, 0, 5, 5, 16877, 0, 0, None, 0, None, None, None],
    ["held", 1, 5, 5, 5],
    ["-", "held", 1],
]  # fmt: skip
SOUND_2: list[list[Any]] = [
    *SOUND[:5],
    [*SOUND[5][:8], "68656164", "09000000", *SOUND[5][10:]],
    ["content", 1, 0, 1, 0, 4, "00" * 32, "11" * 16, None, 0, 0],
    ["content", 2, 2, None, None, 8, "22" * 32, "33" * 16, None, 0, 0],
    ["content", 3, 3, 1, None, 99, "44" * 32, None, "55" * 32, 0, 0],
    ["stretch", 2, 0, 1, 0, 4],
    ["extent", 3, 5, 1],
    ["version", 1, 1, None, 0, 4, 5, 5, 33188, 0, 0, 1, 0, None, None, None],
    ["version", 2, 1, 2, 2, 0, 5, 5, 41471, 0, 0, None, 0, "to", "00", None],
    ["version", 3, 1, None, 1, 0, 5, 5, 16877, 0, 0, None, 0, None, None, None],
    ["held", 1, 5, 5, 5],
    ["-", "held", 1],
    ["-", "version", 2, 1],
    ["-", "version1", 7],
]
SOUNDS = {1: SOUND, 2: SOUND_2}
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 99, 1 << 31, 1 << 47, (1 << 47) + 1, (1 << 63) - 1, 1 << 63, 1 << 64, -(1 << 63),
    1.5, 1e308, "", "a", "\0", "..", "../x", "/x", "a//b", "live", "complete", "[]", "{}", "[" * 1000, "zz", "é" * 300,
    [], {}, [[]], [[1, 2, 3]] * 50, [[1, 0, -1]], {"base64": "x"}, {"base64": None}, {"base64": "AA=="}, {"a": 1},
    "A" * 5000,
]  # fmt: skip


def mutated(chance: random.Random, version: int) -> bytes:
    row = orjson.loads(orjson.dumps(chance.choice(SOUNDS[version])))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
        what = chance.randrange(5)
        at = chance.randrange(len(row)) if row else 0
        if what <= 2 and row:
            odd = chance.choice(ODD)
            row[at] = odd if not isinstance(odd, int) or isinstance(odd, bool) or abs(odd) < 1 << 63 else float(odd)
        elif what == 3 and row:
            del row[at]
        else:
            row.insert(at, chance.choice(("-", "path", "store", 1, None)))
    line = orjson.dumps(row)
    if chance.random() < 0.15:
        broken = bytearray(line)
        for _ in range(chance.randrange(1, 4)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        line = bytes(broken)
    return line


@contextlib.contextmanager
def catalog(path: Path, version: int) -> Iterator[tuple[Catalog, Any]]:
    cat = Catalog(str(path), create=True)
    with cat.transaction():
        store = cat.add_store(target="t", key_id="k", lineage=LINEAGE, salt=bytes(32))
        Replay(cat, store).record(confined(LINEAGE, map(orjson.dumps, SOUNDS[version]), version), version)
    try:
        yield cat, store
    finally:
        cat.close()


class Undo(Exception):
    """Ends a transaction without writing it."""


def one(cat: Catalog, store: Any, line: bytes, version: int, *, commit: bool) -> bool:
    """Whether the line was taken."""
    try:
        with cat.transaction():
            Replay(cat, store).record(confined(LINEAGE, bounded([line + b"\n"]), version), version)
            if not commit:
                raise Undo
    except Undo:
        return True
    except BackupRunnerError:
        return False
    return True


def run(tmp_path: Path, count: int, seed: int, version: int) -> None:
    chance = random.Random(seed)
    taken = slowest = 0.0
    before = forget_peak()
    with catalog(tmp_path / "catalog.db", version) as (cat, store):
        for number in range(count):
            line = mutated(chance, version)
            started = time.process_time()
            taken += one(cat, store, line, version, commit=number % 500 == 0)
            slowest = max(slowest, time.process_time() - started)
    grown = (peak() - before) >> 10
    print(f"{count} lines, {taken:.0f} taken, slowest {slowest * 1000:.1f} ms, {grown} MiB more memory", flush=True)
    assert 0 < taken < count
    assert slowest < 1
    assert grown < 200


@pytest.mark.parametrize("version", SOUNDS)
def test_a_slice(tmp_path: Path, version: int) -> None:
    run(tmp_path, SLICE, 1, version)


@pytest.mark.proof
@pytest.mark.parametrize("version", SOUNDS)
def test_the_whole(tmp_path: Path, version: int) -> None:
    run(tmp_path, WHOLE if os.environ.get("PROOF") == "full" else SLICE, 2, version)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    endless = (b"x" * (1 << 20) for _ in range(1 << 20))
    with pytest.raises(CatalogError, match="longer than"):
        list(confined(LINEAGE, bounded(endless), 2))
