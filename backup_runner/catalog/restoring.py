"""Queries of a restore: the chosen versions, in the order of their bytes in objects.

The choice is in temporary tables (on disk, when large), so memory does not grow with the number of files, and
concurrent writes of other processes do not matter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from .database import Catalog
from .history import CHUNK


class FileRow(NamedTuple):
    """A file to restore and where its content is. `size` is the content's, in bytes.

    `object_id` is None if the content is at more than one place, or at none; `spread` is 1 if it is in stretches,
    and `list` is set if it is composed: the digest of its list of pieces.

    Larger than usual, because it is a row of a query.
    """

    key: bytes
    size: int
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    flags: int
    xattrs: bytes | None
    path_id: int
    content_id: int
    blake3: bytes | None
    md5: bytes | None
    format: str
    object_id: int | None
    offset: int
    length: int
    spread: int
    list: bytes | None = None


class WantedPiece(NamedTuple):
    """A piece for byte `at` of the file with this number; `size` bytes at `offset` of an object."""

    object_id: int
    offset: int
    content_id: int
    size: int
    blake3: bytes
    file: int
    at: int


class PlainRow(NamedTuple):
    """A folder or symlink to restore; `link` is where a symlink points to."""

    key: bytes
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    link: bytes | None
    xattrs: bytes | None
    flags: int


class ChosenTotals(NamedTuple):
    """How much was chosen; `size` in bytes, of all files."""

    files: int
    size: int
    folders: int
    symlinks: int


class NeededObject(NamedTuple):
    """An object that chosen files need; size in bytes."""

    id: int
    name: str
    size: int


_TABLES = (
    "CREATE TEMP TABLE chosen (path_id INTEGER PRIMARY KEY, key BLOB NOT NULL, kind INTEGER NOT NULL, "
    "size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL, "
    "gid INTEGER NOT NULL, flags INTEGER NOT NULL, link BLOB, xattrs BLOB, content_id INTEGER, leader INTEGER)",
    "CREATE TEMP TABLE linked (path_id INTEGER PRIMARY KEY, first INTEGER NOT NULL)",
    "CREATE TEMP TABLE again (path_id INTEGER PRIMARY KEY)",
    "CREATE TEMP TABLE wanted (object_id INTEGER, offset INTEGER, content_id INTEGER, size INTEGER, blake3 BLOB, "
    "file INTEGER, at INTEGER, PRIMARY KEY (object_id, offset, content_id, file, at)) WITHOUT ROWID",
)
_CHOOSE = (
    "INSERT OR IGNORE INTO chosen SELECT p.id, p.key, v.kind, v.size, v.mtime_ns, v.mode, v.uid, v.gid, v.flags, "
    "v.link, v.xattrs, v.content_id, v.leader FROM path p CROSS JOIN version v ON v.path_id = p.id "
    "WHERE p.job_id = ?1 AND v.first <= ?2 AND (v.until IS NULL OR v.until > ?2) "
)
_FILE = (
    "c.key, coalesce(t.size, c.size), c.mtime_ns, c.mode, c.uid, c.gid, c.flags, c.xattrs, c.path_id, c.content_id, "
    "t.blake3, t.md5, CASE t.layout WHEN 1 THEN 'legacy' ELSE 'container' END, t.object_id, coalesce(t.offset, 0), "
    "CASE WHEN t.layout < 2 THEN coalesce(t.size, 0) ELSE 0 END, t.layout = 2 AND t.size > 0, t.list"
)
_FILE_FROM = "chosen c JOIN content t ON t.id = c.content_id WHERE c.kind = 0"


def _choosing(cat: Catalog, users: Mapping[int, int], groups: Mapping[int, int]) -> str:
    """The statement that chooses, with other owners."""
    cat.conn.create_function("here_uid", 1, lambda number: users.get(number, number))
    cat.conn.create_function("here_gid", 1, lambda number: groups.get(number, number))
    return _CHOOSE.replace("v.uid, v.gid", "here_uid(v.uid), here_gid(v.gid)")


def _which(*, again: bool) -> str:
    return f"c.path_id {'IN (SELECT path_id FROM again)' if again else 'NOT IN (SELECT path_id FROM linked)'}"


_PLAIN = "SELECT key, mtime_ns, mode, uid, gid, link, xattrs, flags FROM chosen WHERE kind = ? ORDER BY key"


class Selection:
    """The chosen versions of one snapshot. Only one at a time may be open on a catalog."""

    def __init__(self, cat: Catalog, job_id: int, snapshot_id: int, *owners: Mapping[int, int]) -> None:
        """`owners` are users and groups of the snapshot, by number, to replace by others."""
        self._run = cat.conn.execute
        self._conn = cat.conn
        self.at = (job_id, snapshot_id)
        self._cursors: list[sqlite3.Cursor] = []
        self.close()
        for statement in _TABLES:
            self._run(statement)
        self._choose = _choosing(cat, *owners) if any(owners) else _CHOOSE

    def close(self) -> None:
        """Drop the temporary tables."""
        # Tables that a cursor still reads cannot be dropped, and an interrupted restore leaves some behind.
        for cursor in self._cursors:
            cursor.close()
        for table in ("chosen", "linked", "again", "wanted"):
            self._run(f"DROP TABLE IF EXISTS temp.{table}")

    # -- choosing

    def add_key(self, key: bytes) -> int:
        """Choose one path; returns how many were added (0 if it does not exist or was chosen before)."""
        return self._run(self._choose + "AND p.key = ?3", (*self.at, key)).rowcount

    def add_range(self, low: bytes, high: bytes | None) -> int:
        """Choose all with low <= key < high."""
        return self._run(
            self._choose + "AND p.key >= ?3 AND (?4 IS NULL OR p.key < ?4)", (*self.at, low, high)
        ).rowcount

    def add_matching(self, matches: Callable[[bytes], bool], start: bytes) -> int:
        """Choose all keys that begin with `start` and for which `matches` is true."""
        self._conn.create_function("chosen_matches", 1, matches)
        condition = "AND p.key >= ?3 AND substr(p.key, 1, ?4) = ?3 AND chosen_matches(p.key)"
        return self._run(self._choose + condition, (*self.at, start, len(start))).rowcount

    def drop_matching(self, matches: Callable[[bytes], bool]) -> None:
        """Remove chosen paths for which `matches` is true."""
        self._conn.create_function("dropped_matches", 1, matches)
        self._run("DELETE FROM chosen WHERE dropped_matches(key)")

    def has(self, key: bytes) -> bool:
        """Whether the snapshot has this path, chosen or not."""
        return self.any_in(key, key + b"\0")

    def has_chosen(self, key: bytes) -> bool:
        """Whether this path is chosen."""
        return self._run("SELECT 1 FROM chosen WHERE key = ?", (key,)).fetchone() is not None

    def has_symlink(self, key: bytes) -> bool:
        """Whether the snapshot says that there is a symlink at this path."""
        row = self._run(
            "SELECT 1 FROM path p CROSS JOIN version v ON v.path_id = p.id WHERE p.job_id = ?1 AND p.key = ?3 "
            "AND v.kind = 2 AND v.first <= ?2 AND (v.until IS NULL OR v.until > ?2)",
            (*self.at, key),
        ).fetchone()
        return row is not None

    def any_in(self, low: bytes, high: bytes) -> bool:
        """Whether the snapshot has a path with low <= key < high, chosen or not."""
        row = self._run(
            "SELECT 1 FROM path p CROSS JOIN version v ON v.path_id = p.id WHERE p.job_id = ?1 AND p.key >= ?3 "
            "AND p.key < ?4 AND v.first <= ?2 AND (v.until IS NULL OR v.until > ?2) LIMIT 1",
            (*self.at, low, high),
        ).fetchone()
        return row is not None

    def find_links(self) -> None:
        """Find the hard links: of those chosen with one leader, the first by key is restored with data."""
        self._run(
            "INSERT INTO linked SELECT path_id, first FROM (SELECT path_id, first_value(path_id) OVER "
            "(PARTITION BY coalesce(leader, path_id), content_id ORDER BY key) AS first FROM chosen WHERE kind = 0 "
            "AND (leader IS NOT NULL OR path_id IN (SELECT leader FROM chosen WHERE leader IS NOT NULL))) "
            "WHERE path_id != first"
        )

    def groups(self) -> Iterator[list[FileRow]]:
        """The hard links found, each group sorted by key; its first is restored with data."""
        source = (
            "(SELECT path_id, first FROM linked UNION SELECT first, first FROM linked) l "
            "CROSS JOIN chosen c ON c.path_id = l.path_id"
        )
        rows = self._stream(
            f"SELECT l.first, {_FILE} FROM {_FILE_FROM.replace('chosen c', source, 1)} ORDER BY 1, c.key"
        )
        for _, group in groupby(rows, key=itemgetter(0)):
            yield [FileRow._make(row[1:]) for row in group]

    def apart(self) -> Iterator[tuple[FileRow, list[tuple[int, bytes]]]]:
        """Chosen files with data that have other names which were not chosen: path ids and keys of these, by key."""
        query = f"SELECT {_FILE}, coalesce(c.leader, c.path_id) FROM {_FILE_FROM} AND (c.leader IS NOT NULL OR EXISTS "
        query += (
            "(SELECT 1 FROM version v WHERE v.leader = c.path_id)) AND c.path_id NOT IN (SELECT path_id FROM linked)"
        )
        for row in self._stream(query):
            file = FileRow._make(row[:-1])
            others = self._run(
                "SELECT p.id, p.key FROM version v CROSS JOIN path p ON p.id = v.path_id WHERE p.job_id = ?1 AND "
                "(v.leader = ?3 OR v.path_id = ?3) AND v.content_id = ?4 AND v.first <= ?2 AND "
                "(v.until IS NULL OR v.until > ?2) AND p.id NOT IN (SELECT path_id FROM chosen) ORDER BY p.key",
                (*self.at, row[-1], file.content_id),
            ).fetchall()
            if others:
                yield file, others

    def lead(self, changes: Iterable[tuple[int, int]]) -> None:
        """Link to others: pairs of the previous first name and the new one, which need not be chosen."""
        for old, new in changes:
            self._run("DELETE FROM linked WHERE path_id = ?", (new,))
            self._run("UPDATE linked SET first = ? WHERE first = ?", (new, old))
            self._run("INSERT INTO linked VALUES (?, ?)", (old, new))

    def unlink(self, path_ids: Iterable[int]) -> None:
        """Links to these, and those of these that are links, are returned as separate files by `files(again=True)`."""
        for one in path_ids:
            self._run("INSERT OR IGNORE INTO again SELECT path_id FROM linked WHERE first = ?1 OR path_id = ?1", (one,))
            self._run("DELETE FROM linked WHERE first = ?1 OR path_id = ?1", (one,))

    # -- what was chosen

    def totals(self) -> ChosenTotals:
        found = {
            kind: (count, size)
            for kind, count, size in self._run("SELECT kind, count(*), sum(size) FROM chosen GROUP BY kind")
        }
        return ChosenTotals(*found.get(0, (0, 0)), found.get(1, (0, 0))[0], found.get(2, (0, 0))[0])

    def all_keys(self) -> Iterator[bytes]:
        """All chosen keys, sorted."""
        return (row[0] for row in self._stream("SELECT key FROM chosen ORDER BY key"))

    def folders(self) -> Iterator[PlainRow]:
        """Parents before what is in them."""
        return map(PlainRow._make, self._stream(_PLAIN, 1))

    def folders_deepest_first(self) -> Iterator[PlainRow]:
        return map(PlainRow._make, self._stream(_PLAIN + " DESC", 1))

    def symlinks(self) -> Iterator[PlainRow]:
        return map(PlainRow._make, self._stream(_PLAIN, 2))

    def files(self, *, again: bool = False) -> Iterator[FileRow]:
        """Files with data, by object and offset, without composed ones; `again`: those that `unlink`
        named."""
        order = "t.object_id, t.offset, c.content_id, c.key"
        query = f"SELECT {_FILE} FROM {_FILE_FROM} AND t.layout != 3 AND {_which(again=again)} ORDER BY {order}"
        return map(FileRow._make, self._stream(query))

    def composed(self, *, again: bool = False) -> Iterator[FileRow]:
        """Files whose contents are composed, by key."""
        query = f"SELECT {_FILE} FROM {_FILE_FROM} AND t.layout = 3 AND {_which(again=again)} ORDER BY c.key"
        return map(FileRow._make, self._stream(query))

    def want_pieces(self, file: int, content_id: int) -> int:
        """Request the pieces of this content for the file with this number; returns how many there are."""
        return self._run(
            "INSERT INTO wanted SELECT p.object_id, p.offset, p.id, p.size, p.blake3, ?, e.at FROM extent e "
            "JOIN content p ON p.id = e.piece_id WHERE e.content_id = ?",
            (file, content_id),
        ).rowcount

    def wanted_pieces(self) -> Iterator[WantedPiece]:
        """All of them, by object and offset."""
        return map(WantedPiece._make, self._stream("SELECT * FROM wanted ORDER BY object_id, offset, content_id"))

    def clear_pieces(self) -> None:
        """Clear the requests."""
        self._run("DELETE FROM wanted")

    def links(self) -> Iterator[tuple[bytes, FileRow]]:
        """The key of the existing file, and the path to link to it, by key."""
        source = "linked l CROSS JOIN chosen c ON c.path_id = l.path_id JOIN path f ON f.id = l.first"
        tables = _FILE_FROM.replace("chosen c", source, 1)
        rows = self._stream(f"SELECT f.key, {_FILE} FROM {tables} ORDER BY c.key")
        return ((row[0], FileRow._make(row[1:])) for row in rows)

    def objects(self) -> list[NeededObject]:
        """Objects that chosen files need."""
        rows = self._run(
            "WITH held (object_id) AS (SELECT t.object_id FROM chosen c JOIN content t ON t.id = c.content_id "
            "WHERE t.layout < 2 "
            "UNION SELECT s.object_id FROM chosen c JOIN stretch s ON s.content_id = c.content_id "
            "UNION SELECT p.object_id FROM chosen c JOIN extent e ON e.content_id = c.content_id "
            "JOIN content p ON p.id = e.piece_id) "
            "SELECT o.id, o.name, o.size FROM held JOIN object o ON o.id = held.object_id"
        )
        return [NeededObject(*row) for row in rows]

    def _stream(self, query: str, *values: object) -> Iterator[Any]:
        cursor = self._run(query, values)
        self._cursors.append(cursor)
        while rows := cursor.fetchmany(CHUNK):
            yield from rows
