"""From job to plan to bucket and back, as processes: output, JSON shapes, exit codes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from typing import Any

import pytest


def test_the_whole_way(place: Any, schema: Callable[[str], Callable[[Any], None]]) -> None:
    assert place.run("plan", "job.yaml", "--detailed-exitcode").code == 2
    applied = place.run("apply", "job.yaml", "--yes", "--json")
    assert applied.code == 0, applied.err
    lines = applied.lines()
    for line in lines:
        schema("apply")(line)
    assert [line["kind"] for line in lines[:-1]] == ["header"] + ["action"] * 4
    assert (lines[-1]["status"], lines[-1]["bytes"], lines[-1]["counts"]) == ("complete", 11, {"upload": 2})
    again = place.run("plan", "job.yaml", "--detailed-exitcode")
    assert again.code == 0
    assert "No changes: 2 unchanged (11 B)." in again.out
    restored = place.run("restore", "job.yaml", "--to", "back", "--json")
    assert restored.code == 0, restored.err
    for line in restored.lines():
        schema("restore")(line)
    assert (place.root / "back" / "docs" / "a.txt").read_text() == "first"
    assert (place.root / "back" / "b.txt").read_text() == "second"


def test_plan_json(place: Any, schema: Callable[[str], Callable[[Any], None]]) -> None:
    os.mkfifo(place.data / "pipe")
    (place.root / "data" / os.fsdecode(b"odd\xff")).write_text("x")
    result = place.run("plan", "job.yaml", "--json")
    lines = result.lines()
    for line in lines:
        schema("plan")(line)
    summary = lines[-1]
    assert summary["counts"] == {"upload": 3}
    assert summary["bytes"] == 12
    assert summary["problems"] == []
    assert {line.get("path") for line in lines[1:-1]} == {"", "b.txt", "docs/", "docs/a.txt", "odd\\xff"}
    assert "pipe is a fifo" in result.err
    applied = place.run("apply", "job.yaml", "--yes")
    # Named once, but no backup could hold it: nothing is left undone.
    assert applied.code == 0
    assert applied.out.count("pipe is a fifo") == 1


def test_a_plan_needs_no_key(place: Any) -> None:
    """CI plans without the secret, as long as nobody else wrote to the bucket."""
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.root / "key").unlink()
    (place.data / "b.txt").write_text("changed")
    planned = place.run("plan", "job.yaml", "--detailed-exitcode")
    assert planned.code == 2, planned.err
    assert "b.txt" in planned.out


@pytest.mark.parametrize("name", ["saved.plan", "saved.plan.zst"])
def test_a_saved_plan_is_applied_once_without_a_question(place: Any, name: str) -> None:
    saved = place.run("plan", "job.yaml", "--out", name)
    assert saved.code == 0
    assert f"backup-runner apply {name}" in saved.out
    assert "Plan: 2 to upload" in place.run("show", name).out
    assert place.run("apply", name, "job.yaml").code == 64
    applied = place.run("apply", name)
    assert applied.code == 0, applied.err
    again = place.run("apply", name)
    assert again.code == 4
    assert "\n  hint: " in again.err
    listed = json.loads(place.run("snapshots", "job.yaml", "--json").out)
    assert [item["id"] for item in listed] == [1]


def test_a_guard_stops_plan_and_apply(place: Any) -> None:
    place.write_job(guards="{min_files: 3}")
    planned = place.run("plan", "job.yaml")
    assert planned.code == 5
    assert "GUARD min_files:" in planned.out
    before = place.files()
    applied = place.run("apply", "job.yaml", "--yes")
    assert applied.code == 5
    assert "--override-guard min_files" in applied.err
    assert place.files() == before
    assert place.run("apply", "job.yaml", "--yes", "--override-guard", "min_files").code == 0


def test_several_jobs_each_get_their_turn(place: Any) -> None:
    place.write_job("other", guards="{min_files: 9}")
    place.write_job("third")
    result = place.run("apply", "job.yaml", "other.yaml", "third.yaml", "--yes")
    assert result.code == 5
    assert 'job "other":\nerror: ' in result.err
    assert "job: snapshot 1 complete" in result.out
    assert "third: snapshot 2 complete" in result.out
    assert "other: snapshot" not in result.out


def test_snapshots_and_catalog_info(place: Any, schema: Callable[[str], Callable[[Any], None]]) -> None:
    nothing = place.run("snapshots", "job.yaml")
    assert nothing.code == 1
    assert "apply the job first" in nothing.err
    place.run("apply", "job.yaml", "--yes")
    (place.data / "b.txt").write_text("changed")
    place.run("apply", "job.yaml", "--yes")
    listed = json.loads(place.run("snapshots", "job.yaml", "--json").out)
    schema("snapshots")(listed)
    assert [(item["id"], item["job"], item["status"]) for item in listed] == [
        (1, "job", "complete"),
        (2, "job", "complete"),
    ]
    text = place.run("snapshots", "job.yaml").out.splitlines()
    assert text[0].split()[:3] == ["id", "scanned", "status"]
    assert len(text) == 3
    info = json.loads(place.run("catalog", "info", "job.yaml", "--json").out)
    schema("catalog-info")(info)
    assert info["stores"][0]["serial"] == 2
    assert (info["format"], info["migrated_from"]) == (2, None)
    assert 'job "job": 2 snapshots, last 2 (complete)' in place.run("catalog", "info", "job.yaml").out


def test_restore_of_a_part_and_of_an_earlier_snapshot(place: Any) -> None:
    place.run("apply", "job.yaml", "--yes")
    (place.data / "b.txt").write_text("changed")
    place.run("apply", "job.yaml", "--yes")
    assert place.run("restore", "job.yaml", "b.txt", "--at", "1", "--to", "back").code == 0
    assert (place.root / "back" / "b.txt").read_text() == "second"
    assert not (place.root / "back" / "docs" / "a.txt").exists()
    kept = place.run("restore", "job.yaml", "b.txt", "--to", "back")
    assert kept.code == 3
    assert "Not restored (1):\n  ! b.txt" in kept.out
    dry = place.run("restore", "job.yaml", "--to", "elsewhere", "--dry-run")
    assert dry.code == 0
    assert dry.out.splitlines()[-2].startswith("dry run: would be 2 restored")
    assert not (place.root / "elsewhere").exists()


def test_a_restore_over_what_is_right_leaves_nothing_to_plan(place: Any) -> None:
    (place.data / "empty").mkdir()
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert place.run("restore", "job.yaml").code == 0
    assert place.run("plan", "job.yaml", "--detailed-exitcode").code == 0


def test_a_wrong_key_is_told_before_the_question(place: Any) -> None:
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "more").write_text("more")
    (place.root / "key").write_bytes(b"another key of 32 bytes, not ours"[:32])
    code, said = on_terminal(place, b"y\n", "apply", "job.yaml")
    assert code == 1
    assert "this is not the key that job" in said
    assert "Apply this plan?" not in said


def test_a_question_is_not_asked_about_a_plan_that_was_not_shown(place: Any) -> None:
    code, said = on_terminal(place, b"n\n", "-q", "apply", "job.yaml")
    assert code == 1
    assert said.index("2 to upload") < said.index("Apply this plan?")


def test_key_check(place: Any, schema: Callable[[str], Callable[[Any], None]]) -> None:
    before = json.loads(place.run("key", "check", "job.yaml", "--json").out)
    schema("key-check")(before)
    assert before["opens"] is None
    place.run("apply", "job.yaml", "--yes")
    right = json.loads(place.run("key", "check", "job.yaml", "--json").out)
    schema("key-check")(right)
    assert (right["opens"], right["bytes"]) == (True, 32)
    (place.root / "key").write_bytes(b"x" * 16)
    wrong = place.run("key", "check", "job.yaml")
    assert wrong.code == 1
    assert "a raw key of 16 bytes\nit CANNOT decrypt" in wrong.out


def test_validate(place: Any, schema: Callable[[str], Callable[[Any], None]]) -> None:
    before = place.files()
    assert place.run("validate", "job.yaml").out == "valid: 1 job, 2 warnings\n"
    good = json.loads(place.run("validate", "job.yaml", "--format", "json").out)
    schema("validate")(good)
    assert good["valid"]
    (place.root / "bad.yaml").write_text("version: 1\nname: x\nsorces: []\n")
    bad = place.run("validate", "bad.yaml", "job.yaml", "--format", "json")
    assert bad.code == 1
    document = json.loads(bad.out)
    schema("validate")(document)
    assert not document["valid"]
    assert [job["name"] for job in document["jobs"]] == ["job"]
    told = place.run("plan", "bad.yaml")
    assert told.code == 1
    assert "bad.yaml:3:1" in told.err
    assert "nothing was done" in told.err
    (place.root / "bad.yaml").unlink()
    assert place.files() == before


def test_a_plan_leaves_nothing_behind_but_its_folder(place: Any) -> None:
    place.run("plan", "job.yaml")
    assert not [name for name in place.files() if "plan-" in name]


def on_terminal(place: Any, answer: bytes, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, and give it an answer when it asks."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "backup_runner", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=place.root,
        env=place.environment(TERM="xterm"),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(follower)
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    seen, answered = b"", False
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
        if b"[y/N]" in seen and not answered:
            os.write(leader, answer)
            answered = True
    os.close(leader)
    watchdog.cancel()
    return process.wait(timeout=30), seen.decode()


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1), (b"\x03", 130), (b"\x04", 1)])
def test_apply_asks_on_a_terminal(place: Any, answer: bytes, code: int) -> None:
    got, shown = on_terminal(place, answer, "apply", "job.yaml")
    assert "Apply this plan? [y/N]" in shown
    assert got == code, shown
    assert (place.root / "catalog.db").exists() == (code == 0)
    assert "\x1b[32m+\x1b[0m" in shown
    assert "Traceback" not in shown


def test_apply_does_not_ask_when_nothing_changes(place: Any) -> None:
    place.run("apply", "job.yaml", "--yes")
    code, shown = on_terminal(place, b"", "apply", "job.yaml")
    assert code == 0
    assert "[y/N]" not in shown
    assert "snapshot 2 complete" in shown


def test_verify_finds_what_is_gone_and_apply_repairs_it(
    place: Any, schema: Callable[[str], Callable[[Any], None]]
) -> None:
    place.run("apply", "job.yaml", "--yes")
    for level in ("listing", "headers", "data"):
        good = place.run("verify", "job.yaml", "--level", level, "--json")
        assert good.code == 0, good.err
        for line in good.lines():
            schema("verify")(line)
    assert good.lines()[-1]["passed"]
    (found,) = (path for path in place.root.glob("bucket/**/*") if path.is_file() and path.parent.name == "data")
    found.unlink()
    (place.data / "b.txt").unlink()
    lost = place.run("plan", "job.yaml")
    assert lost.code == 3
    assert "! b.txt  lost: lost from snapshot 1" in lost.out
    (place.data / "b.txt").write_text("second")
    bad = place.run("verify", "job.yaml", "--json")
    assert bad.code == 3
    for line in bad.lines():
        schema("verify")(line)
    assert {line["path"] for line in bad.lines() if line["kind"] == "problem"} == {"b.txt", "docs/a.txt"}
    assert "verify FAILED at level listing" in bad.err
    planned = place.run("plan", "job.yaml")
    assert "2 to repair (11 B)" in planned.out
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert place.run("restore", "job.yaml", "--to", "back").code == 0
    assert (place.root / "back" / "b.txt").read_text() == "second"
