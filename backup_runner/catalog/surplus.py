"""What a restore found on disk and not in its snapshot, in a temporary table: memory does not grow with its number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .database import Catalog
from .history import CHUNK


class SurplusRow(NamedTuple):
    """What is on disk and not in the snapshot; a folder's key ends in a slash. `size` is in bytes.

    `linked` is empty for what has one name; otherwise, it tells the file from others, and from itself if it was written
    to or got another mode or owner.

    `early`: 1 if it is in the place of something of the snapshot, so that it goes first; 2 if it stays for now, because
    that cannot be read yet."""

    key: bytes
    size: int
    ctime_ns: int
    early: int
    linked: bytes


_TABLE = (
    "CREATE TEMP TABLE surplus (key BLOB PRIMARY KEY, size INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, "
    "early INTEGER NOT NULL, linked BLOB NOT NULL) WITHOUT ROWID"
)
_NEEDING = (
    "INSERT INTO waiting SELECT c.key FROM chosen c JOIN content t ON t.id = c.content_id "
    "WHERE t.layout < 2 AND t.object_id IN (SELECT id FROM unreadable) "
    "UNION SELECT c.key FROM chosen c JOIN stretch s ON s.content_id = c.content_id "
    "WHERE s.object_id IN (SELECT id FROM unreadable) "
    "UNION SELECT c.key FROM chosen c JOIN extent e ON e.content_id = c.content_id "
    "JOIN content p ON p.id = e.piece_id WHERE p.object_id IN (SELECT id FROM unreadable)"
)
"""Chosen files that need one of the unreadable objects."""


class SurplusTable:
    """Only one at a time may be open on a catalog."""

    def __init__(self, cat: Catalog) -> None:
        self._conn = cat.conn
        self.close()
        self._conn.execute(_TABLE)

    def close(self) -> None:
        """Drop the table."""
        self._conn.execute("DROP TABLE IF EXISTS temp.surplus")

    def add(self, rows: Iterable[SurplusRow]) -> None:
        self._conn.executemany("INSERT INTO surplus VALUES (?, ?, ?, ?, ?)", rows)

    def has(self, key: bytes) -> bool:
        return self._conn.execute("SELECT 1 FROM surplus WHERE key = ?", (key,)).fetchone() is not None

    def keys(self) -> Iterator[bytes]:
        """All, sorted."""
        return (row.key for row in self._rows("ORDER BY key"))

    def deepest_first(self, *, early: bool) -> Iterator[SurplusRow]:
        """Those that are, or are not, in the place of something of the snapshot; what is in a folder before it."""
        return self._rows("WHERE early = ? ORDER BY key DESC", early)

    def postpone(self, unreadable: Iterable[int]) -> int:
        """Keep, for now, what is in the place of files of the open `Selection` that need one of these objects; returns
        how much that is."""
        tops = list(self._tops())
        if not tops:
            return 0
        run = self._conn.execute
        run("CREATE TEMP TABLE unreadable (id INTEGER PRIMARY KEY)")
        run("CREATE TEMP TABLE waiting (key BLOB PRIMARY KEY) WITHOUT ROWID")
        try:
            self._conn.executemany("INSERT INTO unreadable VALUES (?)", ((one,) for one in unreadable))
            run(_NEEDING)
            kept = 0
            for key in tops:
                bare = key.removesuffix(b"/")
                below = (bare + b"/", bare + b"0")
                query = "SELECT 1 FROM waiting WHERE key = ? OR key >= ? AND key < ? LIMIT 1"
                if run(query, (bare, *below)).fetchone():
                    inside = "key = ? OR key >= ? AND key < ?"
                    kept += run(f"UPDATE surplus SET early = 2 WHERE {inside}", (key, *below)).rowcount
            return kept
        finally:
            run("DROP TABLE unreadable")
            run("DROP TABLE waiting")

    def count_late(self) -> int:
        """How much is not in the place of something of the snapshot."""
        return int(self._conn.execute("SELECT count(*) FROM surplus WHERE early = 0").fetchone()[0])

    def _tops(self) -> Iterator[bytes]:
        """What is in the place of something of the snapshot, without what is inside it."""
        top = b""
        for row in self._rows("WHERE early = 1 ORDER BY key"):
            if not (top.endswith(b"/") and row.key.startswith(top)):
                top = row.key
                yield top

    def _rows(self, query: str, *values: object) -> Iterator[SurplusRow]:
        cursor = self._conn.execute(f"SELECT * FROM surplus {query}", values)
        try:
            while rows := cursor.fetchmany(CHUNK):
                yield from map(SurplusRow._make, rows)
        finally:
            # A table that a cursor still reads cannot be dropped.
            cursor.close()


def snapshot_keys(cat: Catalog, job_id: int, snapshot_id: int) -> Iterator[tuple[bytes, int]]:
    """All keys of the snapshot, sorted, and whether the open `Selection` has each."""
    cursor = cat.conn.execute(
        "SELECT p.key, c.path_id IS NOT NULL FROM path p JOIN version v ON v.path_id = p.id "
        "LEFT JOIN temp.chosen c ON c.path_id = p.id WHERE p.job_id = ?1 AND v.first <= ?2 "
        "AND (v.until IS NULL OR v.until > ?2) ORDER BY p.key",
        (job_id, snapshot_id),
    )
    try:
        while rows := cursor.fetchmany(CHUNK):
            yield from rows
    finally:
        cursor.close()
