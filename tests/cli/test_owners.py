"""Owners by name: recorded with the snapshot, shown, and used by a restore."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from typing import Any

import pytest

from backup_runner.catalog.about import about_of

TOO_HIGH = (str(2**32 - 1), str(2**32), str(2**63), str(10**30), "9" * 5000)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")


def owner(path: Any) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_uid, status.st_gid


@pytest.fixture
def applied(place: Any, capsys: Any) -> Any:
    """b.txt is daemon's (1), docs/a.txt is bin's (2): both exist on every system."""
    os.chown(place.data / "b.txt", 1, 1)
    os.chown(place.data / "docs" / "a.txt", 2, 2)
    assert place.call(capsys, "apply", "job.yaml", "--yes").code == 0
    return place


def rename(place: Any, **users: str) -> None:
    """As if the snapshot came from a machine where daemon and bin had other numbers."""
    db = sqlite3.connect(place.root / "catalog.db")
    (text,) = db.execute("SELECT totals FROM snapshot").fetchone()
    totals = json.loads(text) | {"owners": {"users": users, "groups": users}}
    db.execute("UPDATE snapshot SET totals = ?", (json.dumps(totals),))
    db.commit()
    db.close()


@ROOT_ONLY
def test_names_are_recorded_and_shown(applied: Any, capsys: Any) -> None:
    lines = applied.call(capsys, "files", "list", "job.yaml").out
    assert "daemon:daemon" in lines
    assert "bin:bin" in lines
    done = applied.call(capsys, "files", "list", "job.yaml", "b.txt", "--json")
    assert [(one["user"], one["group"]) for one in done.lines() if one["kind"] == "entry"] == [("daemon", "daemon")]
    # Nothing of bin's is written by the next apply, and tags do not touch the names.
    (applied.data / "b.txt").unlink()
    assert applied.call(capsys, "apply", "job.yaml", "--yes").code == 0
    assert applied.call(capsys, "snapshots", "tag", "job.yaml", "2", "--add", "x").code == 0
    assert "bin:bin" in applied.call(capsys, "files", "list", "job.yaml").out
    found = json.loads(applied.call(capsys, "snapshots", "job.yaml", "--json").out)
    assert all("owners" not in one["totals"] for one in found)


@ROOT_ONLY
def test_a_restore_goes_by_name(applied: Any, capsys: Any) -> None:
    rename(applied, **{"1": "bin", "2": "daemon"})  # the other way round here
    assert applied.call(capsys, "restore", "job.yaml", "--to", "names").code == 0
    assert owner(applied.root / "names" / "b.txt") == (2, 2)
    assert owner(applied.root / "names" / "docs" / "a.txt") == (1, 1)
    assert applied.call(capsys, "restore", "job.yaml", "--to", "numbers", "--numeric-owner").code == 0
    assert owner(applied.root / "numbers" / "b.txt") == (1, 1)
    again = applied.call(capsys, "restore", "job.yaml", "--to", "names", "--overwrite", "changed")
    assert "2 unchanged" in again.out


@ROOT_ONLY
def test_a_name_that_is_not_here_keeps_its_number(applied: Any, capsys: Any) -> None:
    rename(applied, **{"1": "no-such-user-here"})
    assert applied.call(capsys, "restore", "job.yaml", "--to", "back").code == 0
    assert owner(applied.root / "back" / "b.txt") == (1, 1)


@ROOT_ONLY
def test_owners_are_mapped(applied: Any, capsys: Any) -> None:
    done = applied.call(
        capsys, "restore", "job.yaml", "--to", "back", "--map-owner", "daemon:4321", "--map-owner", "2:0",
        "--map-group", "bin:daemon",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert owner(applied.root / "back" / "b.txt") == (4321, 1)
    assert owner(applied.root / "back" / "docs" / "a.txt") == (0, 1)


@ROOT_ONLY
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("daemon", "does not map a user"),
        ("daemon:no-such-user", "there is no user"),
        ("nobody-of-these:root", "the snapshot has no user"),
        *((f"root:{number}", "no user can have this number") for number in TOO_HIGH),
        *((f"{number}:root", "the snapshot has no user") for number in TOO_HIGH),
        ("²:root", "the snapshot has no user"),
        ("root:²", "there is no user"),
        ("root:-1", "there is no user"),
    ],
    ids=lambda text: text[:20],
)
def test_a_wrong_map_is_refused(applied: Any, capsys: Any, text: str, message: str) -> None:
    done = applied.call(capsys, "restore", "job.yaml", "--to", "back", "--map-owner", text)
    assert (done.code, message in done.err) == (64, True), done.err
    assert not (applied.root / "back" / "b.txt").exists()
    done = applied.call(capsys, "restore", "job.yaml", "--to", "back", "--map-group", text)
    assert (done.code, message.replace("user", "group") in done.err) == (64, True), done.err


@ROOT_ONLY
def test_the_highest_number_is_one(applied: Any, capsys: Any) -> None:
    number = 2**32 - 2
    given = ("--map-owner", f"daemon:{number}", "--map-group", f"1:{number}")
    assert applied.call(capsys, "restore", "job.yaml", "--to", "back", *given).code == 0
    assert owner(applied.root / "back" / "b.txt") == (number, number)


@pytest.mark.parametrize("number", [*TOO_HIGH, "0"], ids=lambda text: text[:20])
@pytest.mark.parametrize(
    "words",
    [
        ("restore", "job.yaml", "--to", "back", "--at"),
        ("files", "list", "job.yaml", "--at"),
        ("diff", "job.yaml"),
        ("diff", "job.yaml", "1"),
        ("forget", "job.yaml", "--dry-run"),
        ("snapshots", "tag", "job.yaml", "--add", "x"),
    ],
)
def test_a_number_that_no_snapshot_has(place: Any, capsys: Any, words: tuple[str, ...], number: str) -> None:
    assert place.call(capsys, "apply", "job.yaml", "--yes").code == 0
    done = place.call(capsys, *words, number)
    assert (done.code, f"no snapshot {number}" in done.err) == (1, True), done.err


@ROOT_ONLY
def test_a_tar_archive_has_the_names(applied: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "backup_runner", "restore", "job.yaml", "--as-tar", "-"],
        cwd=applied.root, env=applied.environment(), capture_output=True, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        found = {one.name: (one.uname, one.gname) for one in archive.getmembers()}
    assert found["b.txt"] == ("daemon", "daemon")


def test_what_is_not_a_name_is_ignored() -> None:
    text = '{"owners": {"users": {"1": "a", "x": "b", "-2": "c", "3": 4, "5": ""}, "groups": 7}}'
    assert about_of(text).owners == ({1: "a"}, {})
    highest = dict.fromkeys(("4294967294", *TOO_HIGH), "a")
    assert about_of(json.dumps({"owners": {"users": highest, "groups": {}}})).owners == ({2**32 - 2: "a"}, {})
    assert about_of('{"owners": []}').owners == ({}, {})
