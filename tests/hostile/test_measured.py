"""The figures of the hostile server's runs are those of the program, not of whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.measured import forget_peak, measured, peak

ROOT = Path(__file__).parents[2]
LARGE = """
import os, sys
from pathlib import Path
from tests.support.measured import measured
held = b"x" * (500 << 20)
with open(os.devnull, "wb") as out:
    print(measured([sys.executable, "-c", sys.argv[1]], cwd=Path.cwd(), env=os.environ, out=out, limit=30).mebibytes)
"""


def started_by_a_large_process(program: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", LARGE, program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout)


def test_a_small_program_of_a_large_parent_is_small() -> None:
    assert started_by_a_large_process("pass") < 50


def test_a_large_one_is_large_also_in_its_children() -> None:
    assert 200 <= started_by_a_large_process("x = b'x' * (200 << 20)") < 300
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = b\"x\" * (200 << 20)'])"
    assert 200 <= started_by_a_large_process(program) < 300


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as out:
        found = measured(["sleep", "60"], cwd=tmp_path, env=os.environ, out=out, limit=0.5)
    assert (found.code, found.seconds < 5) == (-9, True)


def test_a_peak_that_was_before_is_forgotten() -> None:
    before = b"x" * (100 << 20)
    now = peak()
    del before
    assert forget_peak() < now - (90 << 10)
    start = forget_peak()
    after = b"x" * (60 << 20)
    assert 50 << 10 < peak() - start < 90 << 10
    del after
