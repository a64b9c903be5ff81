"""Progress: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from backup_runner.report.look import Look
from backup_runner.report.progress import BarReporter, LineReporter, reporter_for

PROGRAM = """
import os, sys, time
from backup_runner.report.progress import reporter_for
reporter = reporter_for(sys.stderr, os.environ)
reporter.phase("backing up", files=3, size=3 << 20)
for _ in range(3):
    time.sleep(0.15)
    reporter.advance(1, 1 << 20)
reporter.warn("odd\\x1b[2Jname")
reporter.phase("recording")
reporter.advance(1, 0)
reporter.close()
print("done", file=sys.stderr)
"""


def test_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    reporter = reporter_for(stream, {})
    assert isinstance(reporter, LineReporter)
    reporter.phase("scanning")
    reporter.phase("backing up", files=1234, size=1 << 20)
    reporter.advance(1000, 1 << 19)
    reporter.warn("odd\x1bname\nsecond")
    reporter.close()
    reporter.phase("verifying", files=1)
    assert (
        stream.getvalue().removesuffix("verifying: 1 object\n")
        == "scanning\nbacking up: 1,234 files, 1.0 MiB\nwarning: odd\\x1bname\\nsecond\n"
    )


def test_a_scan_may_find_more_than_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.progress.Progress.start", lambda self: None)
    reporter = BarReporter(io.StringIO(), Look())
    reporter.phase("scanning", files=2)
    said = []
    for _ in range(3):
        reporter.advance(1, 0)
        said.append(reporter._detail())
    assert said == ["1 of 2 files", "2 of 2 files", "3 files"]
    reporter.close()


def test_a_bar_on_a_terminal() -> None:
    leader, follower = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=follower, env=env)
    os.close(follower)
    seen = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(leader)
    assert process.wait(timeout=20) == 0
    shown = seen.decode()
    assert "backing up" in shown
    assert "recording" in shown
    assert re.search(r"[23] of 3 files .*MiB/s", shown)
    assert "odd\\x1b[2Jname" in shown
    assert "\x1b[?25h" in shown, "the cursor was not given back"
    assert shown.rstrip().endswith("done")
