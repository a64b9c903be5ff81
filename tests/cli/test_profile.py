"""BACKUP_RUNNER_PROFILE writes where the time went, and never costs the run."""

from __future__ import annotations

import os
import pstats
import subprocess
import sys
from pathlib import Path


def run(profile: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BACKUP_RUNNER_PROFILE": str(profile)}
    command = [sys.executable, "-m", "backup_runner", "--version"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_a_profile_is_written(tmp_path: Path) -> None:
    done = run(tmp_path / "profile")
    assert done.returncode == 0
    functions = pstats.Stats(str(tmp_path / "profile")).stats  # type: ignore[attr-defined]
    assert any(function == "run" and "app.py" in file for file, _, function in functions)


def test_a_profile_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    done = run(tmp_path / "no" / "profile")
    assert done.returncode == 0
    assert "warning: BACKUP_RUNNER_PROFILE=" in done.stderr
