"""Files from objects' own indexes, collected in temporary tables until all objects were read: memory does not
grow with their number. Callers hold a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .database import Catalog
from .history import CHUNK


class FoundFile(NamedTuple):
    """A path and one of its former contents."""

    key: bytes
    content_id: int
    size: int
    mode: int
    mtime_ns: int


class FoundList(NamedTuple):
    """A composed content: its packed list, the object whose index has it, and the path that it was stored for."""

    size: int
    blake3: bytes
    md5: bytes | None
    pieces: bytes
    object_id: int
    key: bytes | None
    mode: int
    mtime_ns: int
    number: int


_TABLES = (
    "CREATE TEMP TABLE found (key BLOB, number INTEGER, content_id INTEGER, size INTEGER, mode INTEGER, "
    "mtime_ns INTEGER, PRIMARY KEY (key, number)) WITHOUT ROWID",
    "CREATE TEMP TABLE found_list (size INTEGER, blake3 BLOB, md5 BLOB, pieces BLOB, object_id INTEGER, key BLOB, "
    "mode INTEGER, mtime_ns INTEGER, number INTEGER)",
)
_RANKED = (
    "WITH changed AS (SELECT *, lag(content_id) OVER each AS before FROM temp.found WINDOW each AS "
    "(PARTITION BY key ORDER BY number)), ranked AS (SELECT *, count(*) OVER (PARTITION BY key) AS times, "
    "row_number() OVER (PARTITION BY key ORDER BY number) AS place FROM changed WHERE content_id IS NOT before) "
)


class IndexFinds:
    """The findings in the indexes of one store's objects, in the order in which they were added."""

    def __init__(self, cat: Catalog) -> None:
        self._cat = cat
        self._run = cat.conn.execute
        self._number = 0
        self.close()
        for statement in _TABLES:
            self._run(statement)

    def close(self) -> None:
        for table in ("found", "found_list"):
            self._run(f"DROP TABLE IF EXISTS temp.{table}")

    def next_number(self) -> int:
        """The position of the next finding."""
        self._number += 1
        return self._number

    def add_files(self, files: list[FoundFile]) -> None:
        self._cat.conn.executemany(
            "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)",
            [(file.key, self.next_number(), *file[1:]) for file in files],
        )

    def add_file_at(self, number: int, file: FoundFile) -> None:
        """The same, with a position taken before."""
        self._run("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)", (file.key, number, *file[1:]))

    def add_list(self, found: FoundList) -> None:
        self._run("INSERT INTO found_list VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", found)

    def lists(self) -> Iterator[FoundList]:
        """One by one, because lists may be long."""
        last = 0
        while row := self._run(
            "SELECT rowid, * FROM found_list WHERE rowid > ? ORDER BY rowid LIMIT 1", (last,)
        ).fetchone():
            last = row[0]
            yield FoundList(*row[1:])

    def rounds(self) -> int:
        """The number of snapshots needed to give each path all its contents."""
        row = self._run(f"{_RANKED} SELECT coalesce(max(times), 0) FROM ranked").fetchone()
        return int(row[0])

    def files(self, number: int, rounds: int, job_id: int) -> Iterator[FoundFile]:
        """The contents of paths in one of the rounds, by key; the newest content of a path is in the last. Without
        those that the job already has."""
        cursor = self._run(
            f"{_RANKED} SELECT r.key, r.content_id, r.size, r.mode, r.mtime_ns FROM ranked r "
            "LEFT JOIN path p ON p.job_id = ?3 AND p.key = r.key "
            "LEFT JOIN version v ON v.path_id = p.id AND v.until IS NULL "
            "WHERE r.place = ?1 + 1 - (?2 - r.times) AND v.content_id IS NOT r.content_id ORDER BY r.key",
            (number, rounds, job_id),
        )
        while rows := cursor.fetchmany(CHUNK):
            yield from map(FoundFile._make, rows)

    def keys(self) -> Iterator[bytes]:
        """All paths, sorted."""
        cursor = self._run("SELECT DISTINCT key FROM found ORDER BY key")
        while rows := cursor.fetchmany(CHUNK):
            for (key,) in rows:
                yield bytes(key)
