"""From backup-tool's database and bucket to restored files, and to our own format."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from backup_runner.jobfile import load_one
from backup_runner.progress import Silent
from backup_runner.recovery.choose import pull
from backup_runner.repository.session import Session


def test_everything_comes_over(full, run, contents, tmp_path):
    job = run.job()
    backed_up = {path: data for path, data in contents(full.data).items() if path != "no-backup"}
    backed_up["changed"] = b"as it was backed up"
    before = contents(tmp_path / "bucket")
    found = run("catalog", "import-backup-tool", "--database", full.database, job, "--json", code=3)
    assert (found["objects"], found["files"], found["pinned"], found["renumbered"]) == (16, 16, 1, 0)
    assert [item["path"] for item in found["problems"]] == ["no-backup"]
    assert {name: data for name, data in contents(tmp_path / "bucket").items() if name in before} == before

    run("restore", job, "--to", "back")
    assert contents(tmp_path / "back") == backed_up

    verified = run("verify", job, "--level", "data")
    assert "no MAC" in verified

    plan = run("plan", job, "--json")
    actions = {line["path"]: (line["action"], line["why"]) for line in plan if line["kind"] == "action"}
    assert actions["changed"][0] == "update"
    assert actions["no-backup"] == ("upload", "new")
    stored = {path for path in actions if path.startswith(("sizes/", "copies/")) and not path.endswith("/")}
    assert {actions[path][0] for path in stored} <= {"touch"}
    run("apply", job, "--yes")
    lines = run("plan", job, "--json")
    assert [line for line in lines if line["kind"] == "action"] == []

    job = run.job(reseal="true")
    plan = run("plan", job, "--json")
    whys = {line["path"]: line["why"] for line in plan if line["kind"] == "action"}
    assert len(whys) == 15
    assert set(whys.values()) == {"imported content, resealed"}
    run("apply", job, "--yes")
    assert [line for line in run("plan", job, "--json") if line["kind"] == "action"] == []
    run("restore", job, "--to", "again")
    expected = contents(full.data)
    assert contents(tmp_path / "again") == expected
    run("restore", job, "--at", found["snapshot_id"], "--to", "first")
    assert contents(tmp_path / "first") == backed_up
    # Nothing but the old content of the changed file, and the pinned one, is read from the old objects now.
    for number in full.objects:
        if number not in (202, 203):
            full.path_of(number).unlink()
    run("restore", job, "--at", found["snapshot_id"], "--to", "third")
    assert contents(tmp_path / "third") == backed_up


def test_reseal_can_come_with_the_first_apply(full, run, contents, tmp_path):
    job = run.job(reseal="true")
    run("catalog", "import-backup-tool", "--database", full.database, job, code=3)
    run("apply", job, "--yes")
    for number in full.objects:
        full.path_of(number).unlink()
    run("restore", job, "--to", "again")
    assert contents(tmp_path / "again") == contents(full.data)


def test_a_first_apply_that_reseals_brings_the_import_over_too(full, run, contents, tmp_path):
    job = run.job(reseal="true")
    found = run("catalog", "import-backup-tool", "--database", full.database, job, "--json", code=3)
    run("apply", job, "--yes")
    for number in full.objects:
        if number != 202:
            full.path_of(number).unlink()
    run("restore", job, "--at", found["snapshot_id"], "--to", "first")
    backed_up = {path: data for path, data in contents(full.data).items() if path != "no-backup"}
    assert contents(tmp_path / "first") == backed_up | {"changed": b"as it was backed up"}


def test_held_back_files_are_only_those_that_changed(full, run):
    job = run.job(overwrite="never")
    run("catalog", "import-backup-tool", "--database", full.database, job, code=3)
    plan = run("plan", job, "--json")
    held = [line["path"] for line in plan if line["kind"] == "action" and line["action"] == "hold"]
    assert held == ["changed"]


def test_ids_are_those_of_backup_tool(full, run, tmp_path):
    run("catalog", "import-backup-tool", "--database", full.database, run.job(), code=3)
    with sqlite3.connect(tmp_path / "catalog.db") as conn:
        paths = dict(conn.execute("SELECT key, id FROM path"))
        assert paths[b"copies/two"] == 2002
        assert conn.execute("SELECT count(*) FROM content WHERE id BETWEEN 101 AND 203").fetchone() == (16,)


def test_a_second_import_finds_nothing_new(full, run):
    job = run.job()
    run("catalog", "import-backup-tool", "--database", full.database, job, code=3)
    run("catalog", "import-backup-tool", "--database", full.database, job, code=1)
    assert "is already in the catalog" in run.err


def test_an_import_beside_what_is_there_keeps_the_newer(full, run, contents, tmp_path):
    job = run.job()
    run("apply", job, "--yes")
    found = run("catalog", "import-backup-tool", "--database", full.database, job, "--json", code=3)
    assert (found["files"], found["known_files"]) == (0, 16)
    run("restore", job, "--to", "back")
    assert contents(tmp_path / "back") == contents(full.data)


def test_a_catalog_pulled_back_knows_the_import(full, run, contents, tmp_path):
    job = run.job()
    run("catalog", "import-backup-tool", "--database", full.database, job, code=3)
    run("restore", job, "--to", "first")
    for path in tmp_path.glob("catalog.db*"):
        path.unlink()
    session = Session(load_one(str(job), env=os.environ))
    try:
        pull(session, Silent())
    finally:
        session.close()
    run("restore", job, "--to", "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


@pytest.mark.parametrize("cached", [True, False])
def test_databases_of_both_versions(old, run, contents, tmp_path, cached):
    old.cached = cached
    old.store(1, b"content")
    old.add(1, "a", 1, b"content")
    old.write()
    run("catalog", "import-backup-tool", "--database", old.database, run.job())
    run("restore", run.job(), "--to", "back")
    assert contents(tmp_path / "back") == {"a": b"content"}


def small(old) -> None:
    for number in (1, 2, 3):
        plain = bytes([number]) * (number * 1000 + 1)
        old.store(number, plain)
        old.add(number, f"f{number}", number, plain)
    old.write()


def refused(old, run, text: str, *options: str) -> None:
    run("catalog", "import-backup-tool", "--database", old.database, run.job(), *options, code=1)
    assert text in run.err
    assert not (old.root / "catalog.db").exists()
    assert sorted(path.name for path in (old.root / "bucket").iterdir() if path.name != ".tmp") == sorted(
        name for name, _, _ in old.objects.values() if (old.root / "bucket" / name).exists()
    )


def test_another_key(old, run):
    small(old)
    (old.root / "key").write_bytes(b"another key 1234")
    refused(old, run, "cannot decrypt")


def test_a_missing_object(old, run, contents, tmp_path):
    small(old)
    old.path_of(2).unlink()
    refused(old, run, "object missing")
    run("catalog", "import-backup-tool", "--database", old.database, run.job(), "--skip-damaged", code=3)
    run("restore", run.job(), "--to", "back")
    assert sorted(contents(tmp_path / "back")) == ["f1", "f3"]


@pytest.mark.parametrize("cut", [1, 16, 990])
def test_a_cut_object(old, run, cut):
    small(old)
    with open(old.path_of(1), "r+b") as file:
        file.truncate(os.path.getsize(old.path_of(1)) - cut)
    refused(old, run, "are expected for the")


def test_an_object_cut_or_altered_after_the_import(old, run, contents, tmp_path):
    small(old)
    job = run.job()
    run("catalog", "import-backup-tool", "--database", old.database, job)
    data = bytearray(old.path_of(1).read_bytes())
    data[100] ^= 1
    old.path_of(1).write_bytes(data)
    with open(old.path_of(2), "r+b") as file:
        file.truncate(1000)
    old.path_of(3).unlink()
    run("restore", job, "--to", "back", code=3)
    assert contents(tmp_path / "back") == {}
    assert all(f"f{number}" in run.err + run("restore", job, "--to", "back", code=3) for number in (1, 2, 3))
    run("verify", job, "--level", "data", code=3)


def test_the_sealed_md5_counts_where_the_plaintext_is_unharmed(old, run, contents, tmp_path):
    old.store(1, b"short")
    old.add(1, "a", 1, b"short")
    old.write()
    run("catalog", "import-backup-tool", "--database", old.database, run.job())
    data = bytearray(old.path_of(1).read_bytes())
    # The last byte of the IV only reaches the filling.
    data[23] ^= 1
    old.path_of(1).write_bytes(data)
    run("restore", run.job(), "--to", "back", code=3)
    assert contents(tmp_path / "back") == {}


def test_a_copied_bucket_has_the_same_objects(old, run, tmp_path):
    old.store(1, b"stored")
    old.add(11, "file", 1, b"stored")
    old.write()
    job = run.job()
    run("catalog", "import-backup-tool", "--database", old.database, job)
    (tmp_path / "bucket").rename(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "bucket")
    actions = [line["action"] for line in run("plan", job, "--json") if line["kind"] == "action"]
    assert "repair" not in actions
    old.path_of(1).write_bytes(bytes(len(old.objects[1][1])))
    actions = [line["action"] for line in run("plan", job, "--json") if line["kind"] == "action"]
    assert "repair" in actions


def test_a_database_of_another_kind(old, run):
    small(old)
    with sqlite3.connect(old.root / "other.db") as conn:
        conn.execute("CREATE TABLE notes (id INTEGER)")
    old_database = old.root / "other.db"
    run("catalog", "import-backup-tool", "--database", old_database, run.job(), code=1)
    assert "another program" in run.err
    old_database.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    run("catalog", "import-backup-tool", "--database", old_database, run.job(), code=1)
    assert "not a SQLite database" in run.err
    run("catalog", "import-backup-tool", "--database", "nowhere.db", run.job(), code=1)
    assert not (old.root / "nowhere.db").exists()


def test_a_database_of_an_old_version(old, run):
    with sqlite3.connect(old.database) as conn:
        conn.execute("CREATE TABLE backup_entry (id, uploaded_file_path, uploaded_md5_checksum)")
        conn.execute("CREATE TABLE backup_entry_local_file (id, backup_entry_id, local_file_path)")
    run("catalog", "import-backup-tool", "--database", old.database, run.job(), code=1)
    assert "original_md5_checksum" in run.err


def test_a_locked_database(old, run):
    small(old)
    conn = sqlite3.connect(old.database, isolation_level=None)
    conn.execute("BEGIN EXCLUSIVE")
    try:
        refused(old, run, "locked")
    finally:
        conn.close()


def test_a_damaged_object_is_repaired_from_its_source(old, run, contents, tmp_path):
    small(old)
    job = run.job()
    run("catalog", "import-backup-tool", "--database", old.database, job)
    run("apply", job, "--yes")
    old.path_of(2).unlink()
    actions = [line for line in run("plan", job, "--json") if line["kind"] == "action"]
    assert [(line["action"], line["path"]) for line in actions] == [("repair", "f2")]
    run("apply", job, "--yes")
    run("restore", job, "--to", "back")
    assert contents(Path(tmp_path / "back")) == contents(old.data)


@pytest.mark.parametrize("detect", ["mtime", "ctime"])
def test_a_refreshed_time_does_not_stand_with_the_old_content(old, run, tmp_path, detect):
    """backup-tool noted the time and size of a change without storing it."""
    first, second = b"as it was stored", b"as it is changed"
    assert len(first) == len(second)
    old.store(1, first)
    old.add(1, "a", 1, second)
    old.write()
    os.utime(old.path_of(1), (1_000_000_000, 1_000_000_000))
    job = run.job(detect=detect)
    run("catalog", "import-backup-tool", "--database", old.database, job)
    run("restore", job, "--to", "back")
    assert (tmp_path / "back/a").read_bytes() == first
    assert (tmp_path / "back/a").stat().st_mtime == 1_000_000_000
    # Over the changed file: with its very time, it is not the content that is stored.
    report = run("restore", job, "--to", "data", "--overwrite", "never", "--json", code=3)
    assert report[-1]["counts"].get("unchanged", 0) == 0
    plan = run("plan", job, "--json")
    [action] = [line for line in plan if line["kind"] == "action" and line["path"] == "a"]
    assert action["action"] == "update"
    run("apply", job, "--yes")
    run("restore", job, "--to", "now")
    assert (tmp_path / "now/a").read_bytes() == second


def test_the_first_plan_compares_with_detect_mtime_too(old, run):
    """Nothing but size and time could tell the two apart: the other content has both."""
    old.store(1, b"as it was stored")
    old.add(1, "a", 1, b"as it is changed")
    old.write()
    when = 1_000_000_000
    for path in (old.data / "a", old.path_of(1)):
        os.utime(path, (when, when))
    with sqlite3.connect(old.database) as conn:
        conn.execute("UPDATE backup_entry_local_file SET cached_mtime = ?", (when,))
    conn.close()
    job = run.job(detect="mtime")
    run("catalog", "import-backup-tool", "--database", old.database, job)
    plan = run("plan", job, "--json")
    actions = {line["path"]: line["action"] for line in plan if line["kind"] == "action"}
    assert actions["a"] == "update"


def test_verify_after_resealing_finds_the_old_objects_sound(old, run):
    old.store(1, b"x" * 1000)
    old.add(1, "a", 1, b"x" * 1000)
    old.write()
    job = run.job(reseal="true")
    run("catalog", "import-backup-tool", "--database", old.database, job)
    run("apply", job, "--yes")
    for level in ("headers", "data"):
        assert "verify passed" in run("verify", job, "--level", level)
    with sqlite3.connect(run.root / "catalog.db") as conn:
        assert {state for (state,) in conn.execute("SELECT state FROM object")} == {"live"}
    conn.close()
