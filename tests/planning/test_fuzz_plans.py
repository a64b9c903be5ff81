"""Plan files that are anything at all: each is shown in every form and weighed as apply does, or refused with an error
of the program's own, at once.

A seeded slice in `make test`; 10^6 inputs in `make proof`, in parts that workers share."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from backup_runner.errors import BackupRunnerError, PlanFileError
from backup_runner.inert import inert, inert_json
from backup_runner.planning.admission import admit
from backup_runner.planning.opening import open_plan
from backup_runner.planning.seal import vouch
from backup_runner.planning.spool import SpooledPlan
from backup_runner.report.look import Look
from backup_runner.report.machine import line, plan_summary
from backup_runner.report.markdown import markdown_lines
from backup_runner.report.page.plans import plan_page
from backup_runner.report.page.render import render
from backup_runner.report.plan_text import Heading, plan_lines
from backup_runner.repository.session import Session
from tests.support.forging import forge, upload
from tests.support.jobs import Home
from tests.support.measured import forget_peak, peak

SLICE, WHOLE, PARTS = 1_000, 1_000_000, 20
FULL = os.environ.get("PROOF") == "full"
HUGE = [1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -(1 << 63), 1e15, 1e299, 1e308, -0.0]
ODD: list[Any] = [
    None, True, False, 0, -1, 1, *HUGE, 1.5, "", "a", "\0", "../x", "é" * 300, "zz" * 32, "[" * 1000,
    "\x1b[31m", "##[error]x", "::error::x", "‮", "a/" * 3000, "🙈", "x" * 5000, "Yg==", "Yg=", "2Q==", "file", "forget",
    "text", "owner", "metadata-changed", "object-size", "hard-link", "resealed",
    [], {}, [[]], [{}], [[1]] * 50, {"a": 1}, {"path": 1}, {"upload": -1}, {"upload": 1e308}, [None] * 300,
]  # fmt: skip
DEEP = [b"[" * 200 + b"]" * 200, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"1e999", b"NaN"]
"""What no encoder writes, put in place of a number."""
HEADER: dict[str, Any] = {
    "kind": "header", "format": 2, "plan_id": "f" * 32, "job": "j", "job_file": "/j", "job_digest": "d", "lineage": "",
    "serial": 0, "listing": "", "created_ns": 1, "scanned_ns": 2, "scope": ["61"],
    "totals": {
        "counts": {"upload": 4, "forget": 1, "delete": 1}, "bytes": {"upload": 9}, "folders": {"touch": 1},
        "unchanged": 3, "unchanged_bytes": 9, "held_before": 0, "known": 9, "kept_unseen": 0, "unread": 1,
        "unread_bytes": 7,
    },
    "problems": [
        {"path": "p", "problem": "unreadable", "message": "no"},
        {"path": "\\xff", "path_base64": "/w==", "problem": "lost", "message": "since then"},
    ],
    "problem_count": 2, "guards": [{"name": "min_files", "message": "too few"}], "overridden": ["min_files"],
    "notes": ["n"], "pruning": "retention",
    "cost": {
        "estimate": True, "currency": "USD", "prices_of": "2026-09", "requests": 3, "requests_cost": 0.1,
        "gb_months_added": {"Standard": 1.5}, "gb_months_freed": {"Archive": 0.001}, "early_deletion_cost": 0.2,
        "retrieval_cost": 0.0, "storage_before": 1, "storage_after": 2.5, "month_total": 3.1,
    },
    "history": [
        {"id": 1, "scanned_ns": 5, "status": "complete", "totals": {"bytes": 3, "stored_bytes": 1, "files": 1}},
        {"id": 2, "scanned_ns": 10**18, "status": "partial", "totals": {}},
    ],
}  # fmt: skip
ACTIONS: list[dict[str, Any]] = [
    upload("a"), upload("b", path_base64="Yg==", leader="a", blake3="ab" * 32, content=3, forced=True),
    upload("d/", type="directory", action="touch"), upload("d/big", action="update", content=3, size=7),
    upload("d/e/gone", action="remove"),
    {"kind": "action", "action": "forget", "snapshot": 1, "size": 0, "why": "x"},
    {"kind": "action", "action": "delete", "object": "l/data/a", "size": 0, "why": "x"},
    {"kind": "action", "action": "update", "path": "r", "type": "file", "size": 1, "mtime_ns": 0, "ctime_ns": 0,
     "reason": "type-changed", "found": ["content-stored", "overwrite-never"], "details": ["symlink"]},
    {"kind": "action", "action": "repack", "object": "l/data/b", "size": 3, "reason": "mostly-dead",
     "details": [90, 10]},
]  # fmt: skip
"""Reasons as formats 1 and 2 have them, and as format 3."""
MARK = 123_456_789_123


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, name or index) in a value, containers within containers too."""
    for name in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, name
        if isinstance(value[name], (dict, list)):
            yield from places(value[name])


def mutate(chance: random.Random, rows: list[Any]) -> bool:
    """Change one thing; whether it is `MARK`, which stands for what no encoder writes."""
    inside, name = chance.choice(list(places(chance.choice(rows))) or [({}, "x")])
    what = chance.random()
    if what < 0.12 and name in (inside if isinstance(inside, dict) else range(len(inside))):
        del inside[name]
    elif what < 0.2 and isinstance(inside, dict):
        inside[chance.choice(("x", "", "path_base64", "leader", "a" * 5000, "\x1b", "é"))] = deepcopy(
            chance.choice(ODD)
        )
    elif what < 0.25 and isinstance(inside, list):
        inside.extend(deepcopy(chance.choice(((), inside * 200))))
    elif what < 0.32:
        inside[name] = MARK
        return True
    else:
        inside[name] = deepcopy(chance.choice(ODD))
    return False


def mutated(chance: random.Random, path: Path) -> None:
    rows = orjson.loads(orjson.dumps([HEADER, *ACTIONS]))
    deep = [mutate(chance, rows) for _ in range(chance.choice((0, 1, 1, 1, 2, 4)))]
    raw = chance.choice(DEEP) if any(deep) else b""
    forge(path, rows[0], rows[1:], change=lambda body: body.replace(b"%d" % MARK, raw))
    data = bytearray(path.read_bytes())
    if chance.random() < 0.3:
        data = bytearray(zstandard.ZstdCompressor().compress(bytes(data)))
    if chance.random() < 0.25:
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.05:
        del data[chance.randrange(len(data)) :]
    path.write_bytes(data)


def use(plan: SpooledPlan, session: Session) -> None:
    """All that `show` and `apply` do with a plan before anything is changed."""
    header, heading = plan.header, Heading()
    shown = [*plan_lines(header, plan.actions(), heading, Look()), *markdown_lines(header, plan.actions(), heading)]
    text = inert("\n".join(shown))
    assert text.replace("\n", "").replace("\u200b", "").isprintable(), text
    page = render(plan_page(header, plan.actions(), heading))
    assert not {char for char in page if char < " "} - {"\n"}
    assert "\x7f" not in page
    for document in (*plan.lines(), line(plan_summary(header))):
        assert b"\x1b" not in inert_json(document)
        orjson.loads(document)
    for trusted in (lambda: vouch(plan), lambda: admit(session, plan, ())):
        with contextlib.suppress(BackupRunnerError):
            trusted()


def run(folder: Path, count: int, seed: int) -> None:
    home = Home(str(folder / "home"))
    home.write("a")
    home.apply()
    session = home.session()
    path, chance = folder / "plan", random.Random(seed)
    taken, slowest, grown = 0, 0.0, 0
    for _ in range(count):
        mutated(chance, path)
        before = forget_peak()
        started = time.process_time()
        said = ""
        try:
            with closing(open_plan(str(path))) as plan:
                use(plan, session)
            taken += 1
        except PlanFileError as error:
            said = error.message
        assert len(said) < 1000
        assert said.isprintable()
        slowest = max(slowest, time.process_time() - started)
        grown = max(grown, (peak() - before) >> 10)
    session.close()
    print(f"{count} plans, {taken} read, slowest {slowest * 1000:.1f} ms, {grown} MiB more memory for one", flush=True)
    assert 0 < taken < count
    assert slowest < 1
    assert grown < 200


@pytest.mark.proof
@pytest.mark.parametrize("part", range(PARTS if FULL else 1))
def test_any_plan(tmp_path: Path, part: int) -> None:
    run(tmp_path, WHOLE // PARTS if FULL else SLICE, part)
