"""`--progress json`: events for programs, honest about this run alone, also right after a resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MIB = 1 << 20
Check = Callable[[str], Callable[[Any], None]]


def events(text: str, schema: Check) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    for one in found:
        schema("progress")(one)
    return found


def last(found: list[dict[str, Any]], phase: str) -> dict[str, Any]:
    return [one for one in found if one["event"] == "progress" and one["phase"] == phase][-1]


def test_apply_restore_and_verify(place: Any, schema: Check) -> None:
    for number in range(3):
        (place.data / f"{number}.bin").write_bytes(os.urandom(9 * MIB))
    done = place.run("--progress", "json", "apply", "job.yaml", "--yes", "--json")
    assert done.code == 0, done.err
    found = events(done.err, schema)
    end = last(found, "backing up")
    assert (end["files_done"], end["bytes_done"]) == (end["files"], end["bytes"])
    assert end["bytes"] == 27 * MIB + 11
    assert any(str(one.get("current")).endswith(".bin") for one in found)
    assert {one["phase"] for one in found if one["event"] == "phase"} >= {"scanning", "backing up", "recording"}
    back = place.run("restore", "job.yaml", "--to", "back", "--progress", "json")
    assert back.code == 0, back.err
    end = last(events(back.err, schema), "restoring")
    assert (end["files_done"], end["bytes_done"]) == (end["files"], end["bytes"])
    assert end["bytes"] == 27 * MIB + 11
    checked = place.run("verify", "job.yaml", "--level", "data", "--progress", "json")
    assert checked.code == 0, checked.err
    end = last(events(checked.err, schema), "verifying")
    assert (end["files_done"], end["bytes_done"]) == (end["files"], end["bytes"])
    assert "/data/" in end["current"]


def test_right_after_a_resume_only_what_is_left_counts(place: Any, schema: Check) -> None:
    names = [f"{number:02}.bin" for number in range(24)]
    for name in names:
        (place.data / name).write_bytes(os.urandom(4 * MIB))
    process = subprocess.Popen(
        [sys.executable, "-m", "backup_runner", "--progress", "json", "apply", "job.yaml", "--yes", "--workers", "1"],
        cwd=place.root, env=place.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        one = json.loads(line) if line.startswith("{") else {}
        if one.get("phase") == "backing up" and one.get("bytes_done", 0) > 8 * MIB:
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the run was over before it could be interrupted")
    assert process.returncode == 130
    assert "the next apply does not upload them again" in out, "the summary says what is safe"
    done = place.run("--progress", "json", "apply", "job.yaml", "--yes")
    assert done.code == 0, done.err
    end = last(events(done.err, schema), "backing up")
    assert end["bytes_done"] == end["bytes"]
    assert 0 < end["bytes"] < 90 * MIB, "what is in the bucket does not count again"


def test_a_fifo_is_one_line_once(place: Any) -> None:
    os.mkfifo(place.data / "pipe")
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 0, done.err
    assert (done.out + done.err).count("pipe") == 1
    assert place.run("apply", "job.yaml", "--yes").code == 0


def test_other_forms(place: Any, tmp_path: Path) -> None:
    assert place.run("--progress", "none", "apply", "job.yaml", "--yes").err == ""
    assert "listing the bucket" in place.run("--progress", "lines", "plan", "job.yaml").err
    assert place.run("--progress", "dots", "plan", "job.yaml").code == 64
