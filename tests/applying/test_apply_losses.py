"""What is lost is named, whatever happened between the plan and its apply."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest

from backup_runner.errors import StalePlanError
from backup_runner.planning.file import NAMED_IN_FILES
from backup_runner.planning.opening import open_plan
from backup_runner.progress import Outcome, Silent
from backup_runner.targets.directory.target import DirectoryTarget
from backup_runner.verifying.run import Level, VerifyOptions, verify
from tests.support.jobs import Home


def alter(home: Home, *, quietly: bool) -> None:
    """Overwrite each data object in its place; quietly, so that it looks the same in a listing."""
    for name in home.data_objects():
        path = f"{home.bucket}/{name}"
        before = os.stat(path)
        with open(path, "r+b") as file:
            file.seek(before.st_size // 2)
            file.write(bytes(32))
        if quietly:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def lost(outcome: Outcome) -> set[bytes]:
    return {problem.key for problem in outcome.problems if problem.kind == "lost"}


@pytest.fixture
def old_and_new(home: Home) -> Home:
    """A file that only snapshot 1 has, one that is there, and a copy of it that no snapshot has."""
    home.write("old", os.urandom(50_000))
    home.apply()
    os.unlink(home.path("old"))
    home.write("a", os.urandom(40_000))
    home.apply()
    shutil.copyfile(home.path("a"), home.path("b"))
    return home


@pytest.mark.parametrize("verified", [False, True])
def test_a_plan_is_not_applied_to_contents_that_became_bad(old_and_new: Home, verified: bool) -> None:
    home = old_and_new
    plan = home.plan()
    assert plan.header.totals.counts["link"] == 1
    alter(home, quietly=verified)
    if verified:
        session = home.session()
        assert verify(session, VerifyOptions(level=Level.DATA), Silent()).files
        session.close()
    with pytest.raises(StalePlanError, match="bucket changed"):
        home.apply(plan)
    outcome = home.apply()
    assert lost(outcome) == {b"old"}
    home.check()


class _Stop(Exception):
    pass


class _Killed(Silent):
    def phase(self, name: str, **totals: int) -> None:
        if name == "recording":
            raise _Stop


def test_a_plan_that_is_continued_counts_what_the_killed_run_stored(home: Home) -> None:
    for number in range(20):
        home.write(f"{number}", f"text {number}")
    home.apply()
    for number in range(5):
        os.unlink(home.path(f"{number}"))
    for number in range(100, 130):
        home.write(f"{number}", f"text {number}")
    path = f"{home.root}/saved.plan"
    plan = home.plan()
    plan.save(path)
    with pytest.raises(_Stop):
        home.apply(plan, events=_Killed())
    home.apply(open_plan(path))
    (totals,) = home.rows("SELECT totals FROM snapshot ORDER BY id DESC LIMIT 1")[0]
    found = json.loads(totals)
    assert {name: found[name] for name in ("files", "added", "removed")} == {"files": 45, "added": 30, "removed": 5}
    assert found["bytes"] == sum(os.stat(home.path(name)).st_size for name in os.listdir(home.data))


def test_a_plan_that_is_continued_links_nothing_to_contents_that_became_bad(old_and_new: Home) -> None:
    home = old_and_new
    home.write("c", os.urandom(1000))
    path = f"{home.root}/saved.plan"
    plan = home.plan()
    plan.save(path)
    before = home.data_objects()
    with pytest.raises(_Stop):
        home.apply(plan, events=_Killed())
    for name in before:
        os.unlink(f"{home.bucket}/{name}")
    assert b"old" in lost(home.apply(open_plan(path)))
    assert lost(home.apply()) == set()
    home.check()


def test_all_lost_files_are_named_however_many(home: Home) -> None:
    count = NAMED_IN_FILES + 100
    for number in range(count):
        home.write(f"{number % 7}/{number}", f"text {number}")
    home.apply()
    shutil.rmtree(home.data)
    home.write("other")
    home.apply()
    for name in home.data_objects():
        os.unlink(f"{home.bucket}/{name}")
    path = f"{home.root}/saved.plan"
    plan = home.plan()
    plan.save(path)
    saved = open_plan(path)
    assert (plan.header.problem_count, len(plan.header.problems)) == (count, count)
    assert (saved.header.problem_count, len(saved.header.problems)) == (count, NAMED_IN_FILES)
    outcome = home.apply(saved)
    assert len(lost(outcome)) == len(outcome.problems) == count
    assert home.apply().problems == []


def test_problems_that_a_saved_plan_does_not_name_are_counted(home: Home) -> None:
    home.write("a")
    plan = home.plan()
    plan.header.problems = [{"path": "gone", "problem": "unreadable", "message": "no"}]
    plan.header.problem_count = 1500
    assert [(one.kind, one.message) for one in home.apply(plan).problems] == [
        ("unreadable", "no"),
        ("more", "the plan found 1,499 more problems; a saved plan names the first 1"),
    ]


@pytest.mark.parametrize("busy", [(), ("*.log",)])
def test_a_file_that_vanishes_before_it_is_repaired_is_lost(home: Home, busy: tuple[str, ...]) -> None:
    home = home.other(busy=busy)
    home.write("x.log", os.urandom(1000))
    home.write("kept")
    home.apply()
    for name in home.data_objects():
        os.unlink(f"{home.bucket}/{name}")
    plan = home.plan()
    assert plan.header.totals.counts["repair"] == 2
    os.unlink(home.path("x.log"))
    outcome = home.apply(plan)
    assert lost(outcome) == {b"x.log"}
    vanished = [one.message for one in outcome.problems if one.kind == "vanished"]
    assert vanished == ([] if busy else ["vanished since the plan was made; its last stored version is lost"])
    assert home.apply().problems == []


class _NoRecords(DirectoryTarget):
    def put(self, name: str, data: Any, **how: Any) -> Any:
        if "/records/" in name:
            raise _Stop
        return super().put(name, data, **how)


def test_losses_are_named_again_if_the_run_ends_before_its_report(old_and_new: Home) -> None:
    home = old_and_new
    for name in home.data_objects():
        os.unlink(f"{home.bucket}/{name}")
    home.target = _NoRecords(home.bucket)
    with pytest.raises(_Stop):
        home.apply()
    home.target = None
    assert lost(home.apply()) == {b"old"}
    assert lost(home.apply()) == set()
