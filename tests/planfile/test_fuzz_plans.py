"""Plan files that are anything at all: each is read, or refused with an error of the program's own, at once.

A seeded slice in `make test`; 10^6 inputs in `make proof`."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from backup_runner.errors import PlanFileError
from backup_runner.planning.opening import open_plan
from tests.support.forging import forge, upload

SLICE, WHOLE = 1_000, 1_000_000
ODD: list[Any] = [
    None, True, 0, -1, 1 << 62, (1 << 64) - 1, 1.5, 1e308, "", "a", "\0", "../x", "é" * 300, "zz" * 32, "[" * 1000,
    [], {}, [[]], [{}], [[1]] * 50, {"a": 1}, {"path": 1}, "A" * 5000,
]  # fmt: skip
HEADER: dict[str, Any] = {
    "kind": "header", "format": 2, "plan_id": "f", "job": "j", "job_file": "/j", "job_digest": "d", "lineage": "",
    "serial": 0, "listing": "", "created_ns": 1, "scanned_ns": 2, "totals": {"counts": {"upload": 1}}, "guards": [],
}  # fmt: skip
ACTIONS: list[dict[str, Any]] = [
    upload("a"), upload("b", path_base64="Yg==", leader="a", blake3="ab" * 32, content=3, forced=True),
    {"kind": "action", "action": "forget", "snapshot": 1, "size": 0, "why": "x"},
    {"kind": "action", "action": "delete", "object": "l/data/a", "size": 0, "why": "x"},
]  # fmt: skip


def mutated(chance: random.Random, path: Path) -> None:
    rows = orjson.loads(orjson.dumps([HEADER, *ACTIONS]))
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        row = chance.choice(rows)
        name = chance.choice(sorted(row))
        if chance.random() < 0.2:
            del row[name]
        else:
            row[name] = chance.choice(ODD)
        if not row:
            break
    forge(path, rows[0], rows[1:])
    data = bytearray(path.read_bytes())
    if chance.random() < 0.3:
        data = bytearray(zstandard.ZstdCompressor().compress(bytes(data)))
    if chance.random() < 0.4:
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    path.write_bytes(data)


def peak() -> int:
    """The most memory this process had, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def run(path: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    taken, slowest, before = 0, 0.0, peak()
    for _ in range(count):
        mutated(chance, path)
        started = time.process_time()
        try:
            open_plan(str(path)).close()
            taken += 1
        except PlanFileError:
            pass
        slowest = max(slowest, time.process_time() - started)
    grown = (peak() - before) >> 10
    print(f"{count} plans, {taken} read, slowest {slowest * 1000:.1f} ms, {grown} MiB more memory", flush=True)
    assert 0 < taken < count
    assert slowest < 1
    assert grown < 200


def test_a_slice(tmp_path: Path) -> None:
    run(tmp_path / "plan", SLICE, 1)


@pytest.mark.proof
def test_the_whole(tmp_path: Path) -> None:
    run(tmp_path / "plan", WHOLE if os.environ.get("PROOF") == "full" else SLICE, 2)
