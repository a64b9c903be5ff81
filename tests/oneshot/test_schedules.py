"""`schedule`: units that systemd accepts, agents for launchd, and commands that run with an empty environment."""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.oneshot.test_hooks_and_notices import job

__all__ = ["job"]
SCHEDULE = (
    "schedule:\n  every: day\n  at: '02:30'\n  spread: 900\n"
    "  verify: {every: month, day: 15, at: '04:00', level: data, sample: 10}\n"
    "  prune: {every: week, on: mon, at: '05:00'}"
)


def units_of(home: Any, path: Path) -> dict[str, str]:
    found: dict[str, str] = home.run("schedule", path, "--json")
    return found


def test_a_timer_for_each_command(home: Any, job: Any) -> None:
    made = units_of(home, job(SCHEDULE))
    names = {"backup-runner-docs", "backup-runner_verify-docs", "backup-runner_prune-docs"}
    assert made.keys() == {f"{name}.{end}" for name in names for end in ("service", "timer")}
    assert "OnCalendar=*-*-15 04:00:00" in made["backup-runner_verify-docs.timer"]
    assert '--level data --sample "10%%"' in made["backup-runner_verify-docs.service"]
    assert [name for name, text in made.items() if "SuccessExitStatus=3" in text] == [
        "backup-runner-docs.service",
        "backup-runner_prune-docs.service",
    ], "damage that verify finds is a failure of its unit"
    assert "OnCalendar=Mon *-*-* 05:00:00" in made["backup-runner_prune-docs.timer"]
    lines = home.run("schedule", job(SCHEDULE), "--format", "crontab").splitlines()
    assert [line.split(" /")[0] for line in lines] == ["30 2 * * *", "0 4 15 * *", "0 5 * * 1"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze; Debian has it in systemd")
@pytest.mark.parametrize("variables", [False, True])
@pytest.mark.parametrize("scope", ["--system", "--user"])
def test_systemd_has_nothing_to_say(home: Any, job: Any, tmp_path: Path, scope: str, variables: bool) -> None:
    extra = ["notify: [{style: ntfy, url_env: NTFY_URL}]"] if variables else []
    folder = tmp_path / "units"
    folder.mkdir()
    for name, text in units_of(home, job(SCHEDULE, *extra)).items():
        assert ("EnvironmentFile=" in text) == (variables and name.endswith(".service"))
        (folder / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", scope, "verify", "--man=no", *sorted(folder.iterdir())],
        capture_output=True, text=True, check=False, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0
    # It reads other programs' units as well, and has things to say about those.
    assert [line for line in (done.stdout + done.stderr).splitlines() if "backup-runner" in line] == []


def test_the_commands_run_with_an_empty_environment(home: Any, job: Any) -> None:
    made = units_of(home, job(SCHEDULE, "retention: {keep_last: 3}"))
    for command in ("", "_verify", "_prune"):
        service = made[f"backup-runner{command}-docs.service"]
        line = next(line for line in service.splitlines() if line.startswith("ExecStart="))
        words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line.removeprefix("ExecStart="))]
        done = subprocess.run(
            ["/usr/bin/env", "-i", f"HOME={home.root}", *words], capture_output=True, text=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr
    assert list((home.root / "bucket").rglob("records/*"))


def test_agents_for_launchd(home: Any, job: Any) -> None:
    made = home.run("schedule", job(SCHEDULE), "--format", "launchd", "--json")
    assert list(made) == [f"backup-runner.docs{end}.plist" for end in ("", ".verify", ".prune")]
    found = [plistlib.loads(text.encode()) for text in made.values()]
    assert [one["StartCalendarInterval"] for one in found] == [
        {"Minute": 30, "Hour": 2},
        {"Minute": 0, "Hour": 4, "Day": 15},
        {"Minute": 0, "Hour": 5, "Weekday": 1},
    ]
    assert all(one["Label"] + ".plist" == name for one, name in zip(found, made, strict=True))
    assert found[0]["ProgramArguments"][-5:-3] == ["apply", str(home.root / "job.yaml")]
    shown = home.run("schedule", job(SCHEDULE), "--format", "launchd")
    assert "launchctl bootstrap" in shown


def test_variables_come_from_a_file_in_every_form(home: Any, job: Any) -> None:
    path = job(SCHEDULE, "notify: [{style: ntfy, url_env: NTFY_URL}]")
    made = home.run("schedule", path, "--format", "launchd", "--json")
    program = plistlib.loads(next(iter(made.values())).encode())["ProgramArguments"]
    assert program[:2] == ["/bin/sh", "-c"]
    assert "docs.env" in program[2]
    shown = home.run("schedule", path)
    assert "#   NTFY_URL=..." in shown
    assert "0600" in shown
