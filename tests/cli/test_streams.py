"""Where output goes, and what becomes of it when it cannot: files, closed streams, full disks, readers that leave."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest


def test_a_plan_never_replaces_what_is_no_plan(place: Any) -> None:
    before = {name: (place.root / name).read_bytes() for name in ("job.yaml", "key", "data/b.txt")}
    for name in before:
        refused = place.run("plan", "job.yaml", "--out", name)
        assert refused.code == 64, refused.err
    assert "would be overwritten" in place.run("plan", "job.yaml", "--out", "./data/../job.yaml").err
    assert {name: (place.root / name).read_bytes() for name in before} == before
    (place.root / "saved").touch()
    assert place.run("plan", "job.yaml", "--out", "saved").code == 0
    again = place.run("plan", "job.yaml", "--out", "saved")
    assert "Saved to saved; `backup-runner apply saved` does exactly this" in again.out


def test_pages_never_replace_what_they_are_made_of(place: Any) -> None:
    place.run("plan", "job.yaml", "--out", "saved")
    saved, job = (place.root / "saved").read_bytes(), place.job.read_bytes()
    place.run("apply", "saved")
    assert place.run("show", "saved", "--format", "html", "--out", "saved").code == 64
    assert place.run("report", "job.yaml", "--html", "job.yaml").code == 64
    assert ((place.root / "saved").read_bytes(), place.job.read_bytes()) == (saved, job)


@pytest.mark.parametrize(
    ("name", "why"),
    [("nowhere/p", "the folder nowhere does not exist"), ("data", "not a regular file"), ("/dev/full", "not a reg")],
)
def test_a_plan_that_cannot_be_saved_is_refused_before_anything_is_read(place: Any, name: str, why: str) -> None:
    refused = place.run("plan", "job.yaml", "--out", name)
    assert (refused.code, refused.out) == (64, "")
    assert refused.err.startswith(f"error: cannot write {name}: ")
    assert why in refused.err


def test_messages_about_a_plan_name_its_file(place: Any) -> None:
    place.run("plan", "job.yaml", "--out", "saved")
    text = (place.root / "saved").read_bytes()
    for name, data in (("cut", text[:-200]), ("altered", text.replace(b"b.txt", b"c.txt")), ("other", b"hello\n")):
        (place.root / name).write_bytes(data)
        told = place.run("show", name)
        assert (told.code, told.err.startswith(f"error: {name}: ")) == (1, True), told.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(place: Any, closed: str) -> None:
    command = f'"$0" -m backup_runner apply job.yaml --yes {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], cwd=place.root, env=place.environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert place.run("verify", "job.yaml", "--level", "data").code == 0


@pytest.mark.parametrize("arguments", [["--help"], ["validate", "job.yaml", "--format", "json"], ["plan", "job.yaml"]])
def test_a_full_disk_behind_stdout_is_said(place: Any, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "backup_runner", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=place.root,
            env=place.environment(),
            check=False,
        )
    text = done.stderr.decode()
    assert (done.returncode, "Traceback" in text, "unexpected" in text) == (1, False, False), text
    assert "No space left on device\n  hint: free space" in text


@pytest.mark.parametrize("option", ["--yes", "--json"])
def test_a_plan_whose_reader_left_is_not_carried_out_silently(place: Any, option: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "backup_runner", "apply", "job.yaml", "--yes", option],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=place.root,
        env=place.environment(),
        check=False,
    )
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr.decode().endswith("changed\n  hint: read all of the output, or use --quiet\n")
    assert "there is no catalog" in place.run("snapshots", "job.yaml").err
