"""The benchmark runs, compares what came back, goes on where it was, and writes its page; tiny sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import criteria
from tests.benchmarks.data import Differs, compare
from tests.benchmarks.results import Results

_CHECKOUT = Path(__file__).parents[2]


def bench(work: Path, *arguments: str) -> str:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks",
        "--work",
        str(work),
        "--page",
        str(work / "page.md"),
        *arguments,
    ]
    return subprocess.run(command, cwd=_CHECKOUT, check=True, capture_output=True, text=True).stdout


def test_all_directory_sets_and_their_page(tmp_path: Path) -> None:
    arguments = ("--sets", "small,big,million,catalog", "--tools", "us", "--rounds", "1", "--scale", "0.0005")
    out = bench(tmp_path, *arguments)
    runs = json.loads((tmp_path / "results.json").read_text())["runs"]
    works = {(run["set"], run["work"]) for run in runs}
    assert works >= {(name, work) for name in ("small", "big", "million") for work in ("new", "nothing", "restore")}
    assert {work for name, work in works if name == "catalog"} == {"plan-100000", "plan-1000000"}
    assert all(run["seconds"] > 0 and run["peak"] > 1 << 20 for run in runs)
    assert "small, new: × restic or borg or rclone: –" in out
    assert "| new | backup-runner |" in (tmp_path / "page.md").read_text()
    assert (tmp_path / "page.svg").read_text().startswith("<svg")
    # What is measured already is not measured again.
    bench(tmp_path, *arguments)
    assert json.loads((tmp_path / "results.json").read_text())["runs"] == runs


def test_a_restore_that_differs_is_seen(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"same")
        os.utime(tmp_path / name / "file", ns=(1, 1))
    compare(str(tmp_path / "one"), str(tmp_path / "two"), times=True)
    (tmp_path / "two" / "file").write_bytes(b"else")
    with pytest.raises(Differs):
        compare(str(tmp_path / "one"), str(tmp_path / "two"), times=False)


@pytest.mark.parametrize(
    ("ours", "others", "verdict"),
    [(6.4, 0.0, "held"), (6.6, 0.0, "**not held**"), (6.4, 1.0, "no verdict: other work ran")],
)
def test_verdicts(tmp_path: Path, ours: float, others: float, verdict: str) -> None:
    results = Results(str(tmp_path / "results.json"))
    for tool, seconds in (("us", ours), ("restic", 11.0), ("borg", 10.0), ("rclone", 12.0)):
        results.add({"set": "small", "tool": tool, "work": "new", "round": 0, "seconds": seconds, "others": others})
    assert next(criteria.lines(results)).verdict == verdict
