"""The connection: opening, migrations, transactions, stores, jobs and snapshots."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from ..errors import CatalogError
from ..foreign import describe
from ..moments import local_text
from .about import About, about_of
from .batch import Batch
from .failures import explained
from .lock import quiet
from .seeds import seed_of

APPLICATION_ID = 0x42525552
"""SQLite's application_id, "BRUR": tells our files from other SQLite databases."""


SCHEMA_VERSION = 2
"""How many migrations there are; a test compares."""
_SECOND_NS = 10**9
_LOCK_SECONDS = 30.0
"""Seconds to wait for another process's transaction."""


@dataclass(frozen=True, slots=True)
class Store:
    """One target under one key: `target` is its identity, `salt` the scrypt salt, `record_digest` hex SHA-256.

    Larger than usual, because it is a row of the catalog's table.
    """

    id: int
    target: str
    key_id: str
    lineage: str
    serial: int
    record_digest: str
    copies: str
    base_size: int
    since_size: int
    shift: int
    salt: bytes
    pending: str | None
    state: str
    seed: bytes
    """Determines where large files are cut; never changes within a lineage."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A job's files at one apply. Times are nanoseconds since the epoch, `totals` is JSON.

    `scanned_ns` is the snapshot's date: when its apply began to read. No file in it was read after `finished_ns`."""

    id: int
    job_id: int
    scanned_ns: int
    started_ns: int
    finished_ns: int | None
    status: str
    plan_id: str
    scope: str
    totals: str
    exact: bool = False
    """Another snapshot of the job has the same second, so nanoseconds are needed to distinguish them."""

    @property
    def about(self) -> About:
        """Its host, tags and note."""
        return about_of(self.totals)

    @property
    def date_text(self) -> str:
        """The date in local time, for people; used to select a snapshot, it selects this one."""
        return local_text(self.scanned_ns, exact=self.exact)


_STORE = (
    "id, target, key_id, lineage, serial, record_digest, copies, base_size, since_size, shift, salt, pending, state, "
    "seed"
)
_SNAPSHOT = "id, job_id, scanned_ns, started_ns, finished_ns, status, plan_id, scope, totals"


class Catalog:
    """An open catalog. One thread at a time may use it; processes share it through SQLite's own locks."""

    def __init__(self, path: str, *, create: bool) -> None:
        """Raises CatalogError if the file is not a catalog, is newer than this program, or cannot be opened."""
        self.path = path
        self.format = SCHEMA_VERSION
        """The number of its newest migration."""
        self.migrated_from: int | None = None
        """The format before it was opened, if that was an older one."""
        if not create and not os.path.exists(path):
            raise CatalogError(f"no catalog at {path}", hint="apply a job first, or use `catalog pull JOB`")
        try:
            self.conn = self._open_patiently(path, create=create)
        except (sqlite3.Error, OSError) as error:
            if told := explained(error, path):
                raise told from None
            raise CatalogError(
                f"cannot open the catalog {path}: {describe(error)}",
                hint="check the path and its permissions; `catalog pull JOB` restores it from the bucket",
            ) from None

    def _open_patiently(self, path: str, *, create: bool) -> sqlite3.Connection:
        """Retry while another process is creating it: SQLite does not wait for locks when the journal mode changes,
        and tables created by the other one in the meantime are not an error."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                return self._open(path, create=create)
            except sqlite3.OperationalError as error:
                passing = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY or "already exists" in str(error)
                if not passing or time.monotonic() >= deadline:
                    raise
            time.sleep(0.05)

    def _open(self, path: str, *, create: bool) -> sqlite3.Connection:
        if create:
            os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        conn = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_SECONDS, check_same_thread=False)
        try:
            before = _prepare(conn, path)
        except BaseException:
            conn.close()
            raise
        if 0 < before < SCHEMA_VERSION:
            self.migrated_from = before
        return conn

    def close(self) -> None:
        self.conn.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is written, or nothing. A nested one joins the outer transaction."""
        if self.conn.in_transaction:
            yield self.conn
            return
        self.conn.execute("BEGIN IMMEDIATE")
        try:
            yield self.conn
        except BaseException:
            # On a full disk SQLite has rolled back by itself.
            if self.conn.in_transaction:
                self.conn.execute("ROLLBACK")
            raise
        try:
            self.conn.execute("COMMIT")
        except sqlite3.IntegrityError:
            # References between rows are checked only at the end of a transaction.
            self.conn.execute("ROLLBACK")
            raise CatalogError("rows refer to missing rows; nothing was written") from None

    def batch(self, limit: int) -> Batch:
        """Transactions of this many writes, for data written bit by bit."""
        return Batch(self.conn, limit)

    # -- stores and jobs

    def is_alone(self, store_id: int) -> bool:
        """Whether there is no other store, not even a retired one."""
        return self.conn.execute("SELECT 1 FROM store WHERE id != ? LIMIT 1", (store_id,)).fetchone() is None

    def stores(self, target: str | None = None) -> list[Store]:
        """All stores, or those at one target, oldest first; retired ones are left out."""
        rows = self.conn.execute(
            f"SELECT {_STORE} FROM store WHERE state != 'retired' AND (?1 IS NULL OR target = ?1) ORDER BY id",
            (target,),
        )
        return [Store(*row) for row in rows]

    def store(self, store_id: int) -> Store:
        return Store(*self.conn.execute(f"SELECT {_STORE} FROM store WHERE id = ?", (store_id,)).fetchone())

    def store_for_job(self, target: str, job_name: str) -> Store | None:
        """The store that this job used last at this target; otherwise the only one at the target."""
        row = self.conn.execute(
            "SELECT s.id FROM job j JOIN store s ON s.id = j.store_id "
            "WHERE j.name = ? AND s.target = ? AND s.state != 'retired' ORDER BY s.id DESC LIMIT 1",
            (job_name, target),
        ).fetchone()
        if row:
            return self.store(row[0])
        stores = self.stores(target)
        return stores[0] if len(stores) == 1 else None

    def add_store(self, *, target: str, key_id: str, lineage: str, salt: bytes) -> Store:
        cursor = self.conn.execute(
            "INSERT INTO store (target, key_id, lineage, salt, seed) VALUES (?, ?, ?, ?, ?)",
            (target, key_id, lineage, salt, seed_of(lineage)),
        )
        return self.store(int(cursor.lastrowid or 0))

    def set_store(self, store_id: int, **values: object) -> None:
        """Write the named columns of one store."""
        names = ", ".join(f"{name} = ?" for name in values)
        self.conn.execute(f"UPDATE store SET {names} WHERE id = ?", (*values.values(), store_id))

    def job_id(self, store_id: int, name: str) -> int | None:
        row = self.conn.execute("SELECT id FROM job WHERE store_id = ? AND name = ?", (store_id, name)).fetchone()
        return row[0] if row else None

    def add_job(self, store_id: int, name: str) -> int:
        return int(self.conn.execute("INSERT INTO job (store_id, name) VALUES (?, ?)", (store_id, name)).lastrowid or 0)

    def jobs(self, store_id: int) -> list[tuple[int, str]]:
        return self.conn.execute("SELECT id, name FROM job WHERE store_id = ? ORDER BY name", (store_id,)).fetchall()

    # -- snapshots

    def snapshots(self, job_id: int) -> list[Snapshot]:
        """Oldest first."""
        rows = self.conn.execute(f"SELECT {_SNAPSHOT} FROM snapshot WHERE job_id = ? ORDER BY id", (job_id,))
        found = [Snapshot(*row) for row in rows]
        seconds = Counter(one.scanned_ns // _SECOND_NS for one in found)
        return [replace(one, exact=True) if seconds[one.scanned_ns // _SECOND_NS] > 1 else one for one in found]

    def snapshot(self, snapshot_id: int) -> Snapshot | None:
        row = self.conn.execute(f"SELECT {_SNAPSHOT} FROM snapshot WHERE id = ?", (snapshot_id,)).fetchone()
        return Snapshot(*row) if row else None

    def last_complete(self, job_id: int) -> Snapshot | None:
        row = self.conn.execute(
            f"SELECT {_SNAPSHOT} FROM snapshot WHERE job_id = ? AND status = 'complete' ORDER BY id DESC LIMIT 1",
            (job_id,),
        ).fetchone()
        return Snapshot(*row) if row else None

    def open_snapshot(
        self, job_id: int, *, scanned_ns: int, started_ns: int, plan_id: str, scope: str, totals: str = "{}"
    ) -> int:
        """Start a snapshot; those that a killed run left as `running` become `partial`."""
        self.conn.execute("UPDATE snapshot SET status = 'partial' WHERE job_id = ? AND status = 'running'", (job_id,))
        cursor = self.conn.execute(
            "INSERT INTO snapshot (job_id, scanned_ns, started_ns, status, plan_id, scope, totals) "
            "VALUES (?, ?, ?, 'running', ?, ?, ?)",
            (job_id, scanned_ns, started_ns, plan_id, scope, totals),
        )
        return int(cursor.lastrowid or 0)

    def finish_snapshot(self, snapshot_id: int, *, status: str, finished_ns: int, totals: str) -> None:
        self.conn.execute(
            "UPDATE snapshot SET status = ?, finished_ns = ?, totals = ? WHERE id = ?",
            (status, finished_ns, totals, snapshot_id),
        )

    def set_totals(self, snapshot_id: int, totals: str) -> None:
        self.conn.execute("UPDATE snapshot SET totals = ? WHERE id = ?", (totals, snapshot_id))

    # -- plan ids

    def plan_state(self, plan_id: str) -> str:
        """`new`, `started` (a killed run used it) or `finished`."""
        row = self.conn.execute("SELECT finished FROM plan_used WHERE plan_id = ?", (plan_id,)).fetchone()
        return "new" if row is None else ("finished" if row[0] else "started")

    def use_plan(self, plan_id: str, store_id: int, snapshot_id: int | None) -> None:
        self.conn.execute(
            "INSERT INTO plan_used (plan_id, store_id, snapshot_id) VALUES (?, ?, ?) "
            "ON CONFLICT (plan_id) DO UPDATE SET snapshot_id = excluded.snapshot_id",
            (plan_id, store_id, snapshot_id),
        )

    def finish_plan(self, plan_id: str) -> None:
        self.conn.execute("UPDATE plan_used SET finished = 1 WHERE plan_id = ?", (plan_id,))


def _prepare(conn: sqlite3.Connection, path: str) -> int:
    """Create or migrate the tables; returns the number of the catalog's previous migration."""
    (tables,) = conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = conn.execute("PRAGMA application_id").fetchone()
    if tables and application != APPLICATION_ID:
        raise CatalogError(f"{path} is a SQLite database of another program", hint="set `catalog:` to another path")
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA cache_size = -16384")
    if not tables:
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    # Loading the migrations costs a tenth of a second, and most runs do not need them.
    if version != SCHEMA_VERSION:
        # An older program at work cannot continue with new tables.
        with quiet(path) if version else nullcontext():
            # Off, because tables are recreated under the rows that refer to them; on again below.
            conn.execute("PRAGMA foreign_keys = OFF")
            _migrate(conn, path)
            conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    conn.execute("PRAGMA foreign_keys = ON")
    return int(version)


def _migrate(conn: sqlite3.Connection, path: str) -> None:
    from sqlite_utils import Database

    from .schema import KNOWN, migrations

    db = Database(conn)
    applied = {migration.name for migration in migrations.applied(db)}
    if applied - KNOWN:
        raise CatalogError(
            f"the catalog {path} was written by a newer backup-runner",
            hint="upgrade backup-runner on this machine",
        )
    if KNOWN - applied:
        migrations.apply(db)
