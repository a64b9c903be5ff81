"""`busy`: files that are written all the time cost no exit code; others do."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from tests.cli.conftest import place

__all__ = ["place"]
_WRITER = """
import sys, time
while True:
    with open(sys.argv[1], "ab") as file:
        file.write(b"x" * 100)
    time.sleep(0.0005)
"""


@pytest.mark.parametrize(
    ("source", "busy", "code"),
    [
        ("./data", '["*.log"]', 0),
        ("./data", '["*.txt"]', 3),
        ("./data", '["*.log", "!app.log"]', 3),
        ("./data/docs/app.log", '["*.log"]', 0),
        ("./data/docs/app.log", '["*.txt"]', 3),
    ],
)
def test_a_log_that_somebody_writes(place: Any, source: str, busy: str, code: int) -> None:
    log = place.data / "docs" / "app.log"
    log.write_bytes(b"x" * (2 << 20))
    place.write_job(busy=busy)
    place.job.write_text(place.job.read_text().replace("{path: ./data}", f"{{path: {source}}}"))
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, log])
    try:
        time.sleep(0.3)
        done = place.run("apply", "job.yaml", "--yes", "--json")
    finally:
        writer.kill()
        writer.wait()
    summary = done.lines()[-1]
    assert (done.code, summary["problem_count"]) == (code, int(code == 3)), done.err
    assert ("1 busy file(s) changed or vanished while being read: docs/app.log" in summary["notes"]) == (code == 0)
    # It is stored as it was read.
    assert place.run("restore", "job.yaml", "docs/app.log", "--to", "back").code == 0
    assert (place.root / "back" / "docs" / "app.log").read_bytes().startswith(b"x" * (2 << 20))


def test_a_busy_file_that_cannot_be_read_is_a_problem(place: Any) -> None:
    place.write_job(busy='["*.sql"]')
    text = place.job.read_text().replace("sources: [", "sources: [{path: x.sql, command: ['false']}, ")
    place.job.write_text(text)
    assert place.run("apply", "job.yaml", "--yes").code == 3
