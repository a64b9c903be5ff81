"""Files that are replaced: nobody else reads them, and no symlink under a temporary name leads anywhere."""

from __future__ import annotations

import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backup_runner.replacing import replacing, unnamed
from backup_runner.repository.seen import remember, seen_serials
from backup_runner.runs.metrics import Figures, write_metrics

FIGURES = Figures("x", "apply", 1.5, 2.0, 0, success=True, stored_bytes=12, problems=0, counts={})


@pytest.fixture(autouse=True)
def open_umask() -> object:
    old = os.umask(0)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_machines_remember_is_theirs_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "cat.db.seen.tmp").symlink_to(victim)
    remember(str(tmp_path / "cat.db"), "ab", 7, "target", ["j"], 1)
    assert seen_serials(str(tmp_path / "cat.db")) == {"ab": 7}
    assert victim.read_text() == "precious"
    assert mode(tmp_path / "cat.db.seen") == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat.db.seen", "victim"]


def test_metrics_are_for_the_collector_and_follow_no_symlink(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    goal = tmp_path / "x.prom"
    goal.symlink_to(victim)
    (tmp_path / f"x.prom.{os.getpid()}.tmp").symlink_to(victim)
    write_metrics(str(goal), FIGURES)
    assert victim.read_text() == "precious"
    assert (mode(goal), goal.is_symlink()) == (0o644, False)


def test_a_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    goal = tmp_path / "page"
    goal.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(str(goal)) as file:
        file.write(b"new")
        assert {mode(path) for path in tmp_path.iterdir() if path != goal} == {0o600}
        raise ZeroDivisionError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("page", "old")]


# False stands for file systems that have no files without a name.
@pytest.fixture(params=[True, False])
def nameless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", request.param)


@pytest.mark.usefixtures("nameless")
def test_temporary_files_leave_nothing_and_need_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "given"
    given.mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    for folder in (str(given), str(tmp_path / "made/here"), "relative", ""):
        with unnamed(folder) as one, unnamed(folder) as other:
            for file in (one, other):
                file.write(b"text")
                file.seek(0)
                assert file.read() == b"text"
    # One that was there stays; its owner may have chosen it and its mode.
    assert [path.name for path in tmp_path.iterdir()] == ["given"]
    assert not list(given.iterdir())


@pytest.mark.usefixtures("nameless")
def test_runs_at_once_leave_no_folder(tmp_path: Path) -> None:
    folder = str(tmp_path / "work")

    def many() -> None:
        for _ in range(500):
            unnamed(folder).close()

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(many) for _ in range(8)]:
            done.result()
    assert os.listdir(tmp_path) == []
