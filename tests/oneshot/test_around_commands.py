"""Hooks, notices and metrics around prune and verify, and metrics that Prometheus' own tool accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from backup_runner.runs.metrics import Figures, render
from tests.oneshot.test_hooks_and_notices import job, service

__all__ = ["job", "service"]


def test_hooks_and_notices_around_verify_and_prune(home: Any, job: Any, service: Any) -> None:
    url, calls = service
    path = job(
        "retention: {keep_last: 1}",
        "hooks:",
        "  before: [sh, -c, 'env > $BACKUP_RUNNER_COMMAND.before']",
        "  after: [sh, -c, 'env > $BACKUP_RUNNER_COMMAND.after']",
        "  commands: [prune, verify]",
        "notify:",
        f"  - {{style: healthchecks, url: '{url}/v', commands: [verify]}}",
        f"  - {{style: ntfy, url: '{url}/p', commands: [prune]}}",
        f"metrics: {{textfile: {home.root}/docs.prom}}",
    )
    home.run("apply", path, "--yes")
    assert not calls
    assert not (home.root / "apply.before").exists()
    home.run("verify", path)
    assert "BACKUP_RUNNER_STATUS=success" in (home.root / "verify.after").read_text()
    assert [call[0] for call in calls] == ["/v/start", "/v"]
    assert "objects checked" in calls[-1][2]
    home.run("prune", path, "--dry-run")
    assert not (home.root / "prune.before").exists()
    assert len(calls) == 2
    home.run("prune", path, "--yes")
    assert "BACKUP_RUNNER_HOOK=after" in (home.root / "prune.after").read_text()
    assert [call[1] for call in calls[2:]] == ["backup docs (prune): start", "backup docs (prune): success"]
    figures = (home.root / "docs-verify.prom").read_text()
    assert 'backup_runner_success{job="docs",command="verify"} 1' in figures
    assert (home.root / "docs-prune.prom").exists()
    assert 'command="' not in (home.root / "docs.prom").read_text()


def test_damage_that_verify_finds_is_a_failure(home: Any, job: Any, service: Any) -> None:
    url, calls = service
    path = job(
        "hooks: {on_failure: [sh, -c, 'env > failed'], commands: [verify]}",
        f"notify: [{{style: healthchecks, url: '{url}/v', commands: [verify]}}]",
        f"metrics: {{textfile: {home.root}/docs.prom}}",
    )
    home.run("apply", path, "--yes")
    for found in list((home.root / "bucket").rglob("data/*")):
        found.unlink()
    home.run("verify", path, code=3)
    failed = (home.root / "failed").read_text()
    assert "BACKUP_RUNNER_EXIT_CODE=3" in failed
    assert "missing or damaged" in failed
    assert [call[0] for call in calls] == ["/v/start", "/v/fail"]
    assert 'backup_runner_success{job="docs",command="verify"} 0' in (home.root / "docs-verify.prom").read_text()


def test_a_before_that_fails_stops_prune(home: Any, job: Any) -> None:
    path = job("retention: {keep_last: 1}", "hooks: {before: ['false'], commands: [prune]}")
    for text in (b"one", b"two"):
        home.write("docs/a", text)
        home.run("apply", path, "--yes")
    home.run("verify", path)
    home.run("prune", path, "--yes", code=1)
    assert "nothing was deleted" in home.err


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool; Debian has it in prometheus")
@pytest.mark.parametrize("command", ["apply", "verify"])
def test_promtool_has_nothing_to_say(command: str, tmp_path: Path) -> None:
    text = render(Figures("docs", command, 1.7e9, 3.25, 0, True, 123456789, 0, {"upload": 3, "touch": 1}), 0)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
