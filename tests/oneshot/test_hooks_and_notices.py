"""What runs around an apply: hooks that work, fail, hang and talk too much; notices; metrics; the log."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_runner.runs.hooks import run_hook
from backup_runner.runs.metrics import Figures, render, write_metrics
from backup_runner.runs.schedule import calendar, crontab_line, units
from backup_runner.spec import Every, Schedule, Weekday

KEY = "test-key-0123456789-abcdefghijkl"


@pytest.fixture
def job(home):
    home.write("docs/a", b"a")
    path = home.root / "job.yaml"

    def write(*more: str) -> Path:
        lines = ["version: 1", "name: docs", "sources: [{path: data/docs}]"]
        lines.append(f"target: {{type: directory, path: {home.root}/bucket}}")
        path.write_text("\n".join([*lines, *more]) + "\n")
        return path

    return write


class Service(http.server.BaseHTTPRequestHandler):
    """Remembers what it was called with."""

    calls: list[tuple[str, str, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.calls.append((self.path, self.headers.get("Title", ""), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    calls: list[tuple[str, str, str]] = []
    handler = type("Handler", (Service,), {"calls": calls})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", calls
    server.shutdown()
    thread.join()


def test_hooks_get_job_plan_and_status(home, job):
    path = job(
        "hooks:",
        "  before: [sh, -c, 'env > before.env; echo dump > data/docs/dump']",
        "  after: [sh, -c, 'env > after.env']",
    )
    home.run("apply", path, "--yes")
    before, after = ((home.root / f"{name}.env").read_text() for name in ("before", "after"))
    assert "BACKUP_RUNNER_STATUS=starting" in before
    assert "BACKUP_RUNNER_JOB=docs" in before
    assert "BACKUP_RUNNER_STATUS=success" in after
    summary = json.loads(re.search("BACKUP_RUNNER_PLAN=(.*)", after)[1])
    # The dump that `before` made is in the plan.
    assert summary["counts"] == {"upload": 2}


def test_a_failing_before_stops_the_job(home, job):
    path = job("hooks:", "  before: [sh, -c, 'echo broken; exit 7']", "  on_failure: [sh, -c, 'env > failed.env']")
    home.run("apply", path, "--yes", code=1)
    assert "status 7; nothing was backed up" in home.err
    assert "broken" in home.err
    assert not (home.root / "bucket").exists()
    failed = (home.root / "failed.env").read_text()
    assert "BACKUP_RUNNER_STATUS=failure" in failed
    assert "BACKUP_RUNNER_EXIT_CODE=1" in failed
    assert "broken" not in (home.root / "log").read_text()


def test_a_hook_that_hangs_is_ended_with_all_it_started(home, job):
    path = job("hooks: {before: [sh, -c, 'sleep 300 & echo $! > child; wait'], time_limit: 2}")
    started = time.monotonic()
    home.run("apply", path, "--yes", code=1)
    assert time.monotonic() - started < 30
    assert "did not finish within 2 s" in home.err
    wait_until_gone(home.root / "child")


def test_what_left_the_group_of_a_hook_that_hangs_is_ended_too(home, job):
    """A daemon: a session of its own, its parent gone."""
    (home.root / "daemon.sh").write_text("trap : TERM; echo $$ > daemon; while :; do sleep 1; done")
    (home.root / "hang.sh").write_text("(setsid sh daemon.sh &); sleep 300")
    home.run("apply", job("hooks: {before: [sh, hang.sh], time_limit: 2}"), "--yes", code=1)
    assert "did not finish within 2 s" in home.err
    wait_until_gone(home.root / "daemon")


def wait_until_gone(file: Path) -> None:
    """The process whose number the file holds."""
    stat = Path(f"/proc/{file.read_text().strip()}/stat")
    until = time.monotonic() + 20
    with contextlib.suppress(FileNotFoundError):
        while stat.read_text().split()[2] != "Z":
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_hook_that_cannot_be_started(home, job):
    home.run("apply", job("hooks: {before: [./no-such-program]}"), "--yes", code=1)
    assert "cannot be started" in home.err


def test_secrets_stay_out_of_log_and_console(home, job, monkeypatch):
    plain = home.environment()
    secrets = {"DB_PASSWORD": "hunter22", "THE_KEY": KEY}
    monkeypatch.setattr(type(home), "environment", lambda _: plain | secrets)
    path = job("encryption: {key_env: THE_KEY}", "hooks:", "  before: [sh, -c, 'echo $DB_PASSWORD [$THE_KEY]; exit 1']")
    home.run("apply", path, "--yes", code=1)
    everything = home.err + (home.root / "log").read_text()
    assert "hunter22" not in everything
    assert KEY not in everything
    assert "*** []" in home.err


def test_a_daemon_left_behind_does_not_hold_us_up(tmp_path):
    started = time.monotonic()
    command = ("sh", "-c", "sleep 20 & echo $!")
    ended = run_hook(
        command, time_limit=10, folder=str(tmp_path), work_directory=str(tmp_path), env={"PATH": "/usr/bin:/bin"}
    )
    assert ended.problem == ""
    assert time.monotonic() - started < 8


def test_an_after_hook_that_fails_is_told_and_the_backup_stands(home, job):
    home.run("apply", job("hooks: {after: ['false']}"), "--yes", code=1)
    assert "hook after: false exited with status 1; the backup itself is recorded" in home.err
    assert home.run("plan", job(), "--json")[-1]["counts"] == {}


def test_notices_by_both_conventions(home, job, service):
    url, calls = service
    notify = f"notify: [{{style: healthchecks, url: {url}/ping/1234}}, {{style: ntfy, url: {url}/topic}}]"
    home.run("apply", job(notify), "--yes")
    assert [(path, title) for path, title, _ in calls] == [
        ("/ping/1234/start", ""), ("/topic", "backup docs: start"),
        ("/ping/1234", ""), ("/topic", "backup docs: success"),
    ]  # fmt: skip
    calls.clear()
    home.run("apply", job(notify, "hooks: {before: ['false']}"), "--yes", code=1)
    assert [path for path, _, _ in calls] == ["/ping/1234/start", "/topic", "/ping/1234/fail", "/topic"]


def test_a_notice_that_cannot_be_sent_fails_nothing(home, job):
    path = job("notify: [{style: ntfy, url: 'http://127.0.0.1:9/secret-topic'}, {style: ntfy, url_env: NO_SUCH}]")
    home.run("apply", path, "--yes")
    assert home.err.count("could not be sent") == 2
    assert "secret-topic" not in home.err + (home.root / "log").read_text()
    assert "NO_SUCH" in home.err


def test_metrics(home, job):
    path = job("metrics: {textfile: out.prom}")
    home.run("apply", path, "--yes")
    text = (home.root / "out.prom").read_text()
    assert 'backup_runner_success{job="docs"} 1' in text
    assert 'backup_runner_files{job="docs",action="upload"} 1' in text
    good = re.search(r"last_success_timestamp_seconds\{[^}]*\} (\S+)", text)[1]
    home.run("apply", job("metrics: {textfile: out.prom}", "hooks: {before: ['false']}"), "--yes", code=1)
    text = (home.root / "out.prom").read_text()
    assert 'backup_runner_success{job="docs"} 0' in text
    assert re.search(r"last_success_timestamp_seconds\{[^}]*\} (\S+)", text)[1] == good


def test_metrics_that_cannot_be_written_fail_nothing(home, job):
    home.run("apply", job("metrics: {textfile: nowhere/out.prom}"), "--yes")
    assert "cannot write the metrics" in home.err


def test_metrics_text(tmp_path):
    counts = {"upload": 3}
    figures = Figures("x", "apply", 1_700_000_000.5, 2.0, 0, success=True, stored_bytes=12, problems=0, counts=counts)
    lines = render(figures, 0).splitlines()
    assert 'backup_runner_last_run_timestamp_seconds{job="x"} 1700000000.5' in lines
    assert all(re.fullmatch(r'# (HELP|TYPE) \S+ .+|\w+\{(\w+="[^"]*",?)+\} \S+', line) for line in lines)
    with pytest.raises(OSError, match="nowhere"):
        write_metrics(str(tmp_path / "nowhere" / "x"), figures)


def test_the_log(home, job):
    home.write("docs/a\nINFO forged", b"x")
    done = home.call("-v", "apply", job(), "--yes")
    text = (home.root / "log").read_text()
    assert "upload data/docs/a: new" in text
    assert not any(line.startswith("INFO forged") for line in text.splitlines())
    assert (home.root / "log").stat().st_mode & 0o777 == 0o600
    assert "DEBUG" in done.err
    done = home.call("-q", "apply", job(), "--yes")
    assert (done.out, done.err) == ("", "")
    home.run("--log-json", "apply", job(), "--yes")
    assert {"time", "level", "message"} <= json.loads((home.root / "log").read_text().splitlines()[-1]).keys()


def test_schedules():
    daily = Schedule(Every.DAY, 2, 30)
    assert calendar(daily) == "*-*-* 02:30:00"
    assert calendar(Schedule(Every.HOUR, 0, 5)) == "*-*-* *:05:00"
    assert calendar(Schedule(Every.WEEK, 3, 0, Weekday.MON)) == "Mon *-*-* 03:00:00"
    assert calendar(Schedule(Every.MONTH, 3, 0, day=28)) == "*-*-28 03:00:00"
    assert crontab_line(daily, "x 100%") == "30 2 * * * x 100\\%"
    assert crontab_line(Schedule(Every.WEEK, 3, 0, Weekday.SUN), "x") == "0 3 * * 0 x"
    made = units("docs", daily, ["/bin/x", "a b", "50%", '"'])
    assert 'ExecStart=/bin/x "a b" "50%%" "\\""' in made["backup-runner-docs.service"]
    assert "OnCalendar=*-*-* 02:30:00" in made["backup-runner-docs.timer"]


def test_the_schedule_command(home, job):
    path = job('schedule: {every: day, at: "02:30"}')
    assert "OnCalendar=*-*-* 02:30:00" in home.run("schedule", path)
    assert home.run("schedule", path, "--format", "crontab").startswith("30 2 * * * ")
    home.run("schedule", job(), code=64)
