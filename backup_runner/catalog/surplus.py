"""What a restore found on disk and not in its snapshot, in a temporary table: memory does not grow with its number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .database import Catalog
from .history import CHUNK


class SurplusRow(NamedTuple):
    """What is on disk and not in the snapshot; a folder's key ends in a slash. `size` is in bytes.

    `early`: it is in the place of something of the snapshot, so it goes first."""

    key: bytes
    size: int
    ctime_ns: int
    early: int


_TABLE = (
    "CREATE TEMP TABLE surplus (key BLOB PRIMARY KEY, size INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, "
    "early INTEGER NOT NULL) WITHOUT ROWID"
)


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
        self._conn.executemany("INSERT INTO surplus VALUES (?, ?, ?, ?)", rows)

    def has(self, key: bytes) -> bool:
        return self._conn.execute("SELECT 1 FROM surplus WHERE key = ?", (key,)).fetchone() is not None

    def keys(self) -> Iterator[bytes]:
        """All, sorted."""
        return (row.key for row in self._rows("ORDER BY key"))

    def deepest_first(self, *, early: bool) -> Iterator[SurplusRow]:
        """Those that are, or are not, in the place of something of the snapshot; what is in a folder before it."""
        return self._rows("WHERE early = ? ORDER BY key DESC", early)

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
