"""The database itself: opening, migrations, constraints, transactions, the lock."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import sqlite3
import stat
import subprocess

import pytest

from backup_runner.catalog import Catalog, CatalogLock, database, schema
from backup_runner.catalog.failures import explained
from backup_runner.errors import BusyError, CatalogError


@pytest.fixture
def cat(tmp_path: pathlib.Path) -> Catalog:
    return Catalog(str(tmp_path / "deep" / "catalog.db"), create=True)


def test_a_new_catalog(cat: Catalog) -> None:
    assert stat.S_IMODE(os.stat(cat.path).st_mode) == 0o600
    value = {name: cat.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "foreign_keys")}
    assert value == {"journal_mode": "wal", "foreign_keys": 1}
    cat.close()
    again = Catalog(cat.path, create=False)
    assert again.stores() == []
    again.close()


def test_every_migration_is_counted_and_known() -> None:
    assert len(schema.KNOWN) == database.SCHEMA_VERSION
    assert {migration.name for migration in schema.migrations.pending(_memory())} == schema.KNOWN


def _memory() -> object:
    from sqlite_utils import Database

    return Database(memory=True)


def test_a_catalog_half_made_by_a_kill_is_finished(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "catalog.db")
    pathlib.Path(path).touch()
    Catalog(path, create=False).close()
    assert Catalog(path, create=False).stores() == []


def test_what_is_no_catalog_is_refused(tmp_path: pathlib.Path, cat: Catalog) -> None:
    other = tmp_path / "other.db"
    conn = sqlite3.connect(other)
    conn.execute("CREATE TABLE theirs (id)")
    conn.close()
    text = tmp_path / "text"
    text.write_bytes(b"no database at all, but long enough" * 100)
    for path, said in ((other, "another program"), (text, "not a database"), (tmp_path, "cannot open")):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(CatalogError, match=said):
            Catalog(str(path), create=True)
        assert (path.read_bytes() if path.is_file() else b"") == before
    with pytest.raises(CatalogError, match="no catalog"):
        Catalog(str(tmp_path / "nothing"), create=False)
    cat.conn.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('backup_runner.catalog', 'm9', 'now')"
    )
    cat.conn.execute("PRAGMA user_version = 999")
    cat.close()
    with pytest.raises(CatalogError, match="newer"):
        Catalog(cat.path, create=False)


BAD = [
    "INSERT INTO job (store_id, name) VALUES (99, 'x')",
    "INSERT INTO job (store_id, name) VALUES (1, 'job')",
    "INSERT INTO path (job_id, key) VALUES (1, x'61')",
    "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid) VALUES (1,1,0,0,0,0,0,0,0)",
    "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid) VALUES (1,1,2,0,0,0,0,0,0)",
    "INSERT INTO version (path_id, first, until, kind, size, mtime_ns, ctime_ns, mode, uid, gid) "
    "VALUES (1,5,5,1,0,0,0,0,0,0)",
    "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid) VALUES (9,9,1,0,0,0,0,0,0)",
    "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid) "
    "SELECT path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid FROM version",
    "UPDATE snapshot SET status = 'fine'",
    "UPDATE object SET state = 'fine'",
    "UPDATE content SET blake3 = x'00'",
    "UPDATE content SET layout = 3",
    "UPDATE content SET layout = 3, object_id = NULL, offset = NULL",
    "UPDATE content SET layout = 2",
    "UPDATE content SET offset = NULL",
    "INSERT INTO extent VALUES (99, 0, 1)",
    "INSERT INTO stretch VALUES (99, 0, 1, 0, 1)",
    "DELETE FROM path",
    "DELETE FROM store",
    "UPDATE store SET serial = -1",
]


@pytest.mark.parametrize("statement", BAD)
def test_constraints(cat: Catalog, statement: str) -> None:
    run = cat.conn.execute
    store = cat.add_store(target="t", key_id="k", lineage="l", salt=b"s")
    job = cat.add_job(store.id, "job")
    snapshot = cat.open_snapshot(job, scanned_ns=1, started_ns=1, plan_id="p", scope="[]")
    run("INSERT INTO path (job_id, key) VALUES (1, x'61')")
    run("INSERT INTO object (store_id, name, size, plain, checksum, etag, header, segments, created_ns) "
        "VALUES (1, 'o', 1, 1, '', '', x'', x'', 1)")  # fmt: skip
    run("INSERT INTO content (store_id, object_id, offset, size, blake3) VALUES (1, 1, 0, 3, zeroblob(32))")
    run("INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid, content_id) "
        "VALUES (1, ?, 0, 3, 0, 0, 0, 0, 0, 1)", (snapshot,))  # fmt: skip
    with pytest.raises(sqlite3.IntegrityError):
        run(statement)


def test_a_transaction_is_all_or_nothing(cat: Catalog) -> None:
    with pytest.raises(sqlite3.IntegrityError), cat.transaction():
        cat.add_store(target="t", key_id="k", lineage="l", salt=b"s")
        with cat.transaction():
            cat.add_store(target="t", key_id="k", lineage="m", salt=b"s")
        cat.add_store(target="t", key_id="k", lineage="l", salt=b"s")
    assert cat.stores() == []


def test_a_snapshot_left_running_becomes_partial(cat: Catalog) -> None:
    job = cat.add_job(cat.add_store(target="t", key_id="k", lineage="l", salt=b"s").id, "job")
    for _ in range(2):
        cat.open_snapshot(job, scanned_ns=1, started_ns=1, plan_id="p", scope="[]")
    assert [one.status for one in cat.snapshots(job)] == ["partial", "running"]
    assert cat.last_complete(job) is None


def test_plan_ids_are_used_once(cat: Catalog) -> None:
    store = cat.add_store(target="t", key_id="k", lineage="l", salt=b"s")
    assert cat.plan_state("p") == "new"
    cat.use_plan("p", store.id, None)
    cat.use_plan("p", store.id, 5)
    assert cat.plan_state("p") == "started"
    cat.finish_plan("p")
    assert cat.plan_state("p") == "finished"


def _hold(path: str, ready: object, done: object) -> None:
    with CatalogLock(path):
        ready.set()  # type: ignore[attr-defined]
        done.wait(30)  # type: ignore[attr-defined]


def test_the_lock_says_who_holds_it_and_goes_with_the_process(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "catalog.db")
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(path, ready, done))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(BusyError, match=f"process {holder.pid} on ") as caught, CatalogLock(path):
        pass
    assert caught.value.exit_code == 6
    holder.kill()
    holder.join()
    with CatalogLock(path, wait_seconds=5):
        pass


def test_errors_of_sqlite_say_what_to_do(cat: Catalog) -> None:
    def error_of(conn: sqlite3.Connection, *statements: str) -> Exception:
        with pytest.raises(sqlite3.Error) as caught:
            for statement in statements:
                conn.execute(statement)
        return caught.value

    other = sqlite3.connect(cat.path, isolation_level=None, timeout=0)
    with cat.transaction():
        busy = explained(error_of(other, "BEGIN IMMEDIATE"), cat.path)
    assert isinstance(busy, BusyError)
    full = error_of(other, "PRAGMA max_page_count = 1", "CREATE TABLE more AS SELECT zeroblob(100000)")
    readonly = error_of(other, "PRAGMA query_only = 1", "DELETE FROM job")
    other.close()
    for error, word in ((full, "free space"), (readonly, "writable")):
        found = explained(error, cat.path)
        assert isinstance(found, CatalogError)
        assert word in str(found.hint)
    # What is wrong in our own statements stays a fault of ours.
    assert explained(error_of(cat.conn, "SELECT nothing"), cat.path) is None
    assert explained(ValueError(), cat.path) is None


def test_a_catalog_that_cannot_be_opened_for_reading_either(tmp_path: pathlib.Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        Catalog(str(place / "catalog.db"), create=True).close()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(CatalogError, match="cannot use the catalog") as caught:
            Catalog(str(place / "catalog.db"), create=False)
        assert "set `catalog:` in the job to the copy" in str(caught.value.hint)
    finally:
        subprocess.run(["umount", str(place)], check=True)
