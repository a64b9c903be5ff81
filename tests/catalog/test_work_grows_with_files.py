"""What SQLite does for a run grows with the number of files, not with its square.

Counted in steps of SQLite's virtual machine, over all connections of this process, so the machine's speed does not
matter: four times as many files may take six times as many steps, and a query that looks through a table for each file
takes sixteen times as many.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backup_runner.catalog import lines
from backup_runner.options import Level, VerifyOptions
from backup_runner.progress import Silent
from backup_runner.spec import Retention
from backup_runner.verifying.run import verify
from tests.support.jobs import Home

STEP = 100
FEW = 300


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list whose only item is how many hundreds of steps were taken so far."""
    counted = [0]
    connect = sqlite3.connect

    def count() -> None:
        counted[0] += 1

    def counting(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_progress_handler(count, STEP)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counting)
    return counted


def filled(root: Path, files: int) -> Home:
    """Half of the files have a second name."""
    home = Home(str(root))
    for number in range(files):
        path = home.write(f"{number % 20}/{number}", b"%d" % number)
        if number % 2:
            os.link(path, path + b"-too")
    return home


def changed(home: Home, files: int) -> None:
    """Every third file is another now, and some are gone."""
    for number in range(0, files, 3):
        home.write(f"{number % 20}/{number}", b"changed %d" % number)
    for number in range(0, files, 12):
        os.unlink(home.path(f"{number % 20}/{number}"))


def _verify(home: Home) -> None:
    session = home.session()
    try:
        verify(session, VerifyOptions(level=Level.DATA), Silent())
    finally:
        session.close()


WORKS: dict[str, Callable[[Home, int], object]] = {
    "plan": lambda home, _: home.plan().close(),
    "restore": lambda home, _: home.restore(),
    "restore some": lambda home, _: home.restore("some", b"1", b"2", b"3"),
    "verify": lambda home, _: _verify(home),
    "apply nothing": lambda home, _: home.apply(),
    "apply changes": lambda home, files: (changed(home, files), home.apply()),
    "restore the older": lambda home, _: home.restore("old", at="1"),
    "prune": lambda home, _: home.other(retention=Retention(keep_last=1)).apply(),
}


def works_of(root: Path, files: int, steps: list[int]) -> dict[str, int]:
    home = filled(root, files)
    taken = {}
    before = steps[0]
    home.apply()
    taken["apply new"] = steps[0] - before
    for name, work in WORKS.items():
        before = steps[0]
        work(home, files)
        taken[name] = steps[0] - before
    return taken


def test_four_times_the_files_take_about_four_times_the_steps(tmp_path: Path, steps: list[int]) -> None:
    few = works_of(tmp_path / "few", FEW, steps)
    many = works_of(tmp_path / "many", 4 * FEW, steps)
    print({name: (few[name], many[name]) for name in few})
    grown = {name: many[name] / max(few[name], 100) for name in few}
    assert {name: times for name, times in grown.items() if times > 6} == {}


def test_a_record_of_no_changes_does_not_look_through_all_versions(tmp_path: Path, steps: list[int]) -> None:
    taken = []
    for files in (FEW, 8 * FEW):
        home = filled(tmp_path / str(files), files)
        home.apply()
        home.apply()
        with closing(home.session()) as session:
            cat, store, _ = session.need_store()
            before = steps[0]
            assert not lines.has_changes(cat, store)
            taken.append(steps[0] - before)
    assert taken[1] <= taken[0] + 5
