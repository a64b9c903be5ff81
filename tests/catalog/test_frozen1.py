"""A catalog of migration 1 and its bucket, as an earlier version left them: opened, restored, continued, pruned."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from backup_runner.catalog import Catalog, CatalogLock, lines
from backup_runner.container.keys import CryptoKey, Keyring
from backup_runner.errors import BusyError
from backup_runner.progress import Silent
from backup_runner.recovery import choose as recovery
from backup_runner.spec import Retention
from backup_runner.verifying.run import Level, VerifyOptions, verify
from tests.support.jobs import Home, photograph

FROZEN = Path(__file__).parent / "frozen1" / "site.tar.xz"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return unpack(tmp_path)


def unpack(root: Path) -> Home:
    """The frozen site below `root`, as if it had always been there."""
    with tarfile.open(FROZEN) as archive:
        archive.extractall(root, filter="fully_trusted")
    found = Home(str(root), Keyring(CryptoKey((root / "key").read_bytes())), {"name": "old"})
    with open(found.path("sparse"), "r+b") as file:
        # Archives do not keep holes.
        kept = file.read()
        file.truncate(0)
        file.truncate(len(kept))
        file.seek(200_000)
        file.write(kept[200_000:203_000])
    os.utime(found.path("sparse"), (1_700_000_000, 1_700_000_000))
    os.setxattr(found.path("small/05"), "user.kept", b"value")
    conn = sqlite3.connect(root / "catalog.db")
    conn.execute("UPDATE store SET target = ?", (f"directory:{found.bucket}",))
    keys = "SELECT p.id, p.key FROM path p JOIN version v ON v.path_id = p.id AND v.until IS NULL"
    for path_id, key in conn.execute(keys).fetchall():
        there = os.lstat(found.path(key))
        conn.execute(
            "UPDATE version SET mtime_ns = ?, ctime_ns = ?, uid = ?, gid = ? WHERE path_id = ? AND until IS NULL",
            (there.st_mtime_ns, there.st_ctime_ns, there.st_uid, there.st_gid, path_id),
        )
    conn.commit()
    conn.close()
    return found


def pull(home: Home) -> Any:
    session = home.session()
    try:
        return recovery.pull(session, Silent())
    finally:
        session.close()


def test_it_says_what_it_is(home: Home) -> None:
    conn = sqlite3.connect(f"{home.root}/catalog.db")
    assert conn.execute("PRAGMA user_version").fetchone() == (1,)
    conn.close()
    cat = home.catalog()
    assert cat.conn.execute("PRAGMA user_version").fetchone() == (2,)
    assert cat.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert cat.conn.execute("PRAGMA foreign_key_check").fetchall() == []
    layouts = cat.conn.execute("SELECT layout, count(*) > 0 FROM content GROUP BY 1").fetchall()
    assert layouts == [(0, 1), (1, 1), (2, 1)]
    cat.close()


def test_restored_verified_and_nothing_to_do(home: Home) -> None:
    home.check()
    session = home.session()
    found = verify(session, VerifyOptions(level=Level.DATA), Silent())
    session.close()
    assert (found.damaged, found.files) == ([], [])
    assert [line for line in home.said() if not line.startswith("delete")] == []


def test_it_goes_on(home: Home) -> None:
    """What an unfinished upload left is aborted, what was pending is recorded, and nothing is stored twice."""
    before = home.data_objects()
    outcome = home.apply()
    assert (outcome.problems, outcome.stored_objects) == ([], 0)
    assert home.rows("SELECT count(*) FROM upload") == [(0,)]
    assert not os.listdir(f"{home.bucket}/.uploads") if os.path.exists(f"{home.bucket}/.uploads") else True
    home.write("new", b"new")
    home.write("large", os.urandom(6500))
    home.apply()
    home.check()
    assert len(home.data_objects()) < len(before)
    # And another machine gets all that from the records.
    os.unlink(f"{home.root}/catalog.db")
    for suffix in ("-wal", "-shm"):
        Path(f"{home.root}/catalog.db{suffix}").unlink(missing_ok=True)
    assert pull(home).missing == []
    home.check()
    assert home.changes() == 0


def test_pulled_from_its_own_records(home: Home) -> None:
    """Four records, a copy at the second: the earlier format is replayed from either."""
    for without_copy in (False, True):
        for suffix in ("", "-wal", "-shm", ".seen"):
            Path(f"{home.root}/catalog.db{suffix}").unlink(missing_ok=True)
        if without_copy:
            shutil.rmtree(next(Path(home.bucket).glob("*/copies")))
        found = pull(home)
        assert (found.serial, found.snapshots, found.missing, found.notes) == (4, 4, [], [])
        for (snapshot,) in home.rows("SELECT id FROM snapshot ORDER BY id"):
            assert home.restore(at=str(snapshot)).problems == []
        assert photograph(f"{home.root}/back").keys() == photograph(home.data).keys()


def test_pruned(home: Home) -> None:
    home.settings["retention"] = Retention(keep_last=1, keep_imported=False)
    home.write("small/07", b"other")
    for _ in range(2):
        assert home.apply().problems == []
    home.check()
    assert home.rows("SELECT count(*) FROM object WHERE state != 'live'") == [(0,)]


def test_the_next_record_takes_out_what_the_migration_could_not_name(home: Home) -> None:
    """Versions had ids, by which the record that was due would have taken them out."""
    cat = home.catalog()
    gone = [line for line in lines.export_changes(cat, cat.stores()[0], lines.high_marks(cat)) if b'"version1"' in line]
    assert gone
    cat.close()
    home.apply()
    kept = home.rows("SELECT path_id, first FROM version ORDER BY 1, 2")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{home.root}/catalog.db{suffix}").unlink(missing_ok=True)
    pull(home)
    assert home.rows("SELECT path_id, first FROM version ORDER BY 1, 2") == kept


def test_not_while_an_older_program_is_at_work(home: Home) -> None:
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            "import sys; from backup_runner.catalog import CatalogLock\n"
            "with CatalogLock(sys.argv[1]): print('held', flush=True); sys.stdin.read()",
            f"{home.root}/catalog.db",
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BusyError):
            home.catalog()
    finally:
        holder.communicate(b"")
    with CatalogLock(f"{home.root}/catalog.db"):
        home.catalog().close()


DYING = """
import os, signal, sqlite3, sys
left = int(sys.argv[2])
def die():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
real = sqlite3.connect
def connect(*args, **named):
    conn = real(*args, **named)
    conn.set_progress_handler(die, 100)
    return conn
sqlite3.connect = connect
from backup_runner.catalog import Catalog
Catalog(sys.argv[1], create=False).close()
"""


def test_killed_at_any_point(home: Home) -> None:
    """The migration is one transaction: what a kill leaves is a catalog that opens, and becomes the same."""
    frozen = Path(home.root) / "catalog.db"
    expected = None
    killed = 0
    for step in (*range(1, 12), 10_000_000, *range(15, 200, 12)):
        path = Path(home.root) / f"{step}.db"
        shutil.copy(frozen, path)
        done = subprocess.run([sys.executable, "-c", DYING, str(path), str(step)], capture_output=True, check=False)
        assert done.returncode in (0, -9), done.stderr
        killed += done.returncode == -9
        cat = Catalog(str(path), create=False)
        dump = [
            cat.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("store", "content", "stretch", "version", "change", "high_water", "sqlite_sequence")
        ]
        cat.close()
        assert expected is None or dump == expected
        expected = dump
    assert killed > 10
