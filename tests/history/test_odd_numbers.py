"""Numbers from outside that nothing of ours can hold: the file is stored and named, and the others are stored."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from backup_runner.catalog.listing import path_of
from backup_runner.catalog.replaying import replay
from backup_runner.errors import CatalogError, PlanFileError
from backup_runner.moments import HIGHEST_NS, LOWEST_NS, from_seconds
from backup_runner.planning.file import Header, read_actions, write
from backup_runner.recovery.backup_tool_database import read_database
from tests.history.site import Site

YEARS = {1600: -11676096000, 1901: -2177452800, 2262: 9224841600, 2300: 10413792000, 3000: 32503680000}
MILLIONS = 10**15
"""Seconds: what tmpfs keeps, and no calendar knows."""


def at(site: Site, name: str, seconds: int) -> None:
    site.write(name, name.encode())
    os.utime(f"{site.data}/{name}", (seconds, seconds))


@pytest.mark.parametrize("large", [False, True], ids=["in packs", "in an object of its own"])
def test_times_outside_of_what_can_be_kept(site: Site, large: bool) -> None:
    size = 9 << 20 if large else 10
    site.write("important", b"ok")
    for year, seconds in (YEARS | {9999999: MILLIONS}).items():
        at(site, f"y{year}", seconds)
        if year == 3000:
            site.write(f"y{year}", b"x" * size)
            os.utime(f"{site.data}/y{year}", (seconds, seconds))
    os.mkdir(f"{site.data}/folder")
    os.utime(f"{site.data}/folder", (YEARS[3000], YEARS[3000]))
    os.symlink("nowhere", f"{site.data}/link")
    os.utime(f"{site.data}/link", (YEARS[3000], YEARS[3000]), follow_symlinks=False)
    kept = {
        name
        for name in os.listdir(site.data)
        if not LOWEST_NS <= os.lstat(f"{site.data}/{name}").st_mtime_ns <= HIGHEST_NS
    }
    assert {"y3000", "folder", "link"} <= kept
    _, outcome = site.apply()
    assert {(os.fsdecode(one.key).rstrip("/"), one.kind) for one in outcome.problems} == {
        (name, "time") for name in kept
    }
    assert outcome.status == "complete"
    back = f"{site.root}/back"
    assert site.restore(back).problems == []
    for name in ["important", *(f"y{year}" for year in YEARS)]:
        with open(f"{site.data}/{name}", "rb") as here, open(f"{back}/{name}", "rb") as there:
            assert here.read() == there.read()
    assert os.stat(f"{back}/y1901").st_mtime == YEARS[1901]
    # Named in every run, stored once, and no change.
    header, outcome = site.apply()
    assert header.totals.changes == 0
    assert header.problem_count == len(outcome.problems) == len(kept)
    assert site.plan(checksum=True).totals.changes == 0


def test_a_source_that_is_a_file_of_the_year_3000(site: Site) -> None:
    at(site, "only", YEARS[3000])
    one = site.job().sources[0]
    site.job_changes = {"sources": (replace(one, path=one.path + b"/only", key=b"only"),)}
    _, outcome = site.apply()
    assert [(problem.key, problem.kind) for problem in outcome.problems] == [(b"only", "time")]


def test_objects_in_the_bucket_that_are_dated_outside(site: Site) -> None:
    """A killed run's objects are adopted whatever the bucket says of their age."""
    site.write("a", b"content")
    site.apply()
    os.unlink(site.catalog_path)
    for name in site.names():
        os.utime(f"{site.bucket}/{name}", (YEARS[3000], YEARS[3000]))
    site.rebuild()
    assert site.restore(f"{site.root}/back").problems == []


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan, 1e300, -1e300, 32503680000])
def test_seconds_of_others(seconds: float) -> None:
    assert LOWEST_NS <= from_seconds(seconds) <= HIGHEST_NS
    assert from_seconds(1.5) == 1_500_000_000


def test_backup_tools_figures_that_are_none(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "db")
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(
            "CREATE TABLE backup_entry (id INTEGER PRIMARY KEY, uploaded_file_path, "
            "original_md5_checksum, uploaded_md5_checksum)"
        )
        conn.execute(
            "CREATE TABLE backup_entry_local_file (id INTEGER PRIMARY KEY, backup_entry_id, "
            "local_file_path, cached_mtime, cached_size)"
        )
        rows = [(1.5, 3), (math.inf, -1), ("yesterday", "big"), (1e300, 2.5), (None, None), (b"x", 1 << 62)]
        conn.executemany("INSERT INTO backup_entry_local_file VALUES (NULL, 1, 'f', ?, ?)", rows)
        conn.commit()
    found = [(row.mtime_ns, row.size) for row in read_database(path).files]
    assert found == [
        (1_500_000_000, 3),
        (HIGHEST_NS, None),
        (None, None),
        (HIGHEST_NS, None),
        (None, None),
        (None, 1 << 62),
    ]


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 1e3, "1", None, True])
@pytest.mark.parametrize("name", ["size", "mtime_ns", "ctime_ns"])
def test_numbers_in_a_plan_file(name: str, number: object) -> None:
    fields = {
        "kind": "action",
        "action": "upload",
        "path": "a",
        "type": "file",
        "size": 1,
        "mtime_ns": 1,
        "ctime_ns": 1,
        "why": "new",
    }
    line = json.dumps({**fields, name: number}).encode()
    with pytest.raises(PlanFileError, match="line 2 of the plan is damaged"):
        list(read_actions(write(Header("1", "j", "", "", "", 0, "", 1, 1), [line]), strange=True))


def test_numbers_in_a_record(site: Site) -> None:
    site.apply()
    with closing(site.catalog()) as cat, pytest.raises(CatalogError, match=r"inconsistent|invalid"), cat.transaction():
        replay(cat, cat.stores()[0], [b'["-","path",9223372036854775808]', b'["path",18446744073709551615,1,"a"]'])


@pytest.mark.parametrize("number", [1 << 64, 1 << 63, 0, -1, -(1 << 70)])
def test_ids_that_none_can_be(site: Site, number: int) -> None:
    site.apply()
    with closing(site.catalog()) as cat:
        assert path_of(cat, 1, number) is None
