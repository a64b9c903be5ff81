"""Replays the lines of records and copies of any format into a catalog. Callers hold a transaction."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson

from ..errors import CatalogError
from ..foreign import describe
from .database import Catalog, Store
from .lines import COLUMNS, FORMAT, KEYS
from .many import HASH_INDEX

_AT_ONCE = 2000
"""Number of lines processed together."""

_COLUMNS_1: dict[str, tuple[tuple[str, str], ...]] = COLUMNS | {
    "object": tuple((name, "b" if code == "x" else code) for name, code in COLUMNS["object"]),
    "content": (
        ("id", "i"), ("size", ""), ("blake3", "x"), ("md5", "x"), ("format", ""), ("marked", ""), ("pinned", ""),
    ),
    "version": (("id", "i"), *((name, "b" if code == "x" else code) for name, code in COLUMNS["version"])),
}  # fmt: skip
"""Format 1: contents had their extents as a last element, versions had ids."""
_LEGACY, _SPREAD = 1, 2


class Replay:
    """Replays the lines of one store's records, in order."""

    def __init__(self, cat: Catalog, store: Store, *, empty: bool = False) -> None:
        """`empty`: the store has no rows yet, so the first record needs no upserts; the index of hashes is built at
        the end."""
        self._cat = cat
        self._shift = store.shift
        self._run = cat.conn.execute
        self._run_many = cat.conn.executemany
        self._columns = COLUMNS
        self._old = False
        """Whether ids of versions are known, by which records of format 1 delete versions."""
        self.newest_only = False
        """Whether records of older formats are rejected: a migrated catalog does not have their ids of versions."""
        self._empty = empty
        self._upserts = {table: _upsert(table, store.id) for table in COLUMNS}
        self._statements = self._upserts
        if empty:
            self._statements = {table: text.partition(" ON CONFLICT")[0] for table, text in self._upserts.items()}
            self._run("DROP INDEX content_hash")

    def record(self, lines: Iterable[bytes], version: int = FORMAT) -> None:
        """Replay one record or copy of this format. Raises CatalogError."""
        if not 1 <= version <= FORMAT:
            raise CatalogError(
                f"a catalog record has format {version}; this version reads formats up to {FORMAT}",
                hint="upgrade backup-runner on this machine",
            )
        if self.newest_only and version < FORMAT:
            raise CatalogError(f"a record of format {version} cannot be added to a catalog that was migrated")
        self._run("PRAGMA defer_foreign_keys = ON")
        self._columns = _COLUMNS_1 if version == 1 else COLUMNS
        if version == 1 and not self._old:
            self._old = True
            self._run("DROP TABLE IF EXISTS temp.old_version")
            self._run("CREATE TEMP TABLE old_version (id INTEGER PRIMARY KEY, path_id INTEGER, first INTEGER)")
        try:
            for rows in _parsed(lines):
                for table, group in groupby(rows, key=lambda row: row[0]):
                    self._take(table, list(group))
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, sqlite3.Error) as error:
            raise _unfit(describe(error)) from None
        self._statements = self._upserts

    def close(self) -> None:
        """Drop temporary tables."""
        self._run("DROP TABLE IF EXISTS temp.old_version")
        if self._empty:
            self._run(HASH_INDEX)

    def _take(self, table: str, rows: list[list[Any]]) -> None:
        if table == "-":
            for row in rows:
                self._delete(*row[1:])
            return
        decoded = self._decoded(table, rows)
        if table == "content":
            self._contents(decoded, old=self._columns is not COLUMNS)
            return
        if table == "version" and self._columns is not COLUMNS:
            self._run_many("INSERT OR REPLACE INTO old_version VALUES (?, ?, ?)", [row[:3] for row in decoded])
            decoded = [row[1:] for row in decoded]
        self._run_many(self._statements[table], decoded)

    def _decoded(self, table: str, rows: list[list[Any]]) -> list[Sequence[Any]]:
        """Rows without the table's name, their values as the catalog has them."""
        columns = self._columns[table]
        extra = table == "content" and columns is not COLUMNS[table]
        wanted = 1 + len(columns) + extra
        if any(len(row) != wanted for row in rows):
            raise _unfit(f"a row of {table} has another number of columns")
        by_column = list(zip(*rows, strict=True))[1:]
        for at, (_, code) in enumerate(columns):
            if code == "i" and self._shift:
                shift = self._shift
                by_column[at] = tuple(None if value is None else value + shift for value in by_column[at])
            elif code and code != "i":
                decode = _DECODERS[code]
                by_column[at] = tuple(None if value is None else decode(value) for value in by_column[at])
        return list(zip(*by_column, strict=True))

    def _contents(self, rows: list[Sequence[Any]], *, old: bool) -> None:
        # What was composed or spread may be elsewhere now.
        ids = json.dumps([row[0] for row in rows])
        for table in ("extent", "stretch"):
            self._run(f"DELETE FROM {table} WHERE content_id IN (SELECT value FROM json_each(?))", (ids,))
        if not old:
            self._run_many(self._statements["content"], rows)
            return
        self._run_many(self._statements["content"], [self._placed(row) for row in rows])
        stretches = []
        for content_id, *_, extents in rows:
            if len(extents) > 1:
                moved = ((at[0] + self._shift, at[1], at[2]) for at in extents)
                stretches += [(content_id, seq, *at) for seq, at in enumerate(moved)]
        self._run_many(self._statements["stretch"], stretches)

    def _placed(self, row: Sequence[Any]) -> tuple[object, ...]:
        """A content's row of format 1 in the current format."""
        content_id, size, strong, weak, kind, marked, pinned, extents = row
        layout = _SPREAD
        place: tuple[int | None, int | None] = (None, None)
        if len(extents) == 1:
            layout, place = (_LEGACY if kind == "legacy" else 0), (extents[0][0] + self._shift, extents[0][1])
        return (content_id, layout, *place, size, strong, weak, None, marked, pinned)

    def _delete(self, table: str, row_id: int, first: int = 0) -> None:
        row_id += self._shift
        if table == "version1" or (table == "version" and self._columns is not COLUMNS):
            self._delete_old(row_id)
        elif table == "version":
            self._run("DELETE FROM version WHERE path_id = ? AND first = ?", (row_id, first + self._shift))
        elif table in COLUMNS:
            self._run(f"DELETE FROM {table} WHERE {KEYS.get(table, ('id',))[0]} = ?", (row_id,))
        else:
            raise _unfit(f"there is no table {table!r}")

    def _delete_old(self, row_id: int) -> None:
        """A version by its id in format 1. Raises CatalogError in a catalog without these ids."""
        if self.newest_only:
            raise _unfit("it refers to versions by ids that this catalog no longer has")
        if not self._old:
            return
        row = self._run("SELECT path_id, first FROM old_version WHERE id = ?", (row_id,)).fetchone()
        if row is not None:
            self._run("DELETE FROM version WHERE path_id = ? AND first = ?", row)


def _unfit(why: str) -> CatalogError:
    return CatalogError(f"a catalog record is inconsistent: {why}", hint="try `catalog rebuild JOB`")


def _parsed(lines: Iterable[bytes]) -> Iterator[list[list[Any]]]:
    """The lines' values, many at a time: one call for each line would take twice as long."""
    some: list[bytes] = []
    for line in lines:
        some.append(line)
        if len(some) == _AT_ONCE:
            yield _parse(some)
            some = []
    if some:
        yield _parse(some)


def _parse(lines: list[bytes]) -> list[list[Any]]:
    rows: list[list[Any]] = orjson.loads(b"[" + b",".join(lines) + b"]")
    if len(rows) != len(lines) or not all(isinstance(row, list) and row for row in rows):
        raise _unfit("a line is not a row")
    return rows


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


_DECODERS: dict[str, Callable[[Any], Any]] = {"x": bytes.fromhex, "b": base64.b64decode, "p": _bytes}


def _upsert(table: str, store_id: int) -> str:
    names = [name for name, _ in COLUMNS[table]]
    fixed = ["store_id"] if table in ("job", "object", "content") else []
    marks = ", ".join(["?"] * len(names) + [str(store_id)] * len(fixed))
    keys = KEYS.get(table, ("id",))
    updates = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return (
        f"INSERT INTO {table} ({', '.join(names + fixed)}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {updates}"
    )


def replay(cat: Catalog, store: Store, lines: Iterable[bytes]) -> None:
    """Replay the lines of one record of the newest format for a store. Raises CatalogError."""
    Replay(cat, store).record(lines)


def check_references(cat: Catalog, store_id: int) -> None:
    """Raises CatalogError if rows refer to missing rows, for references without a constraint."""
    jobs = "(SELECT id FROM job WHERE store_id = ?1)"
    for what, statement in (
        (
            "a file's content",
            f"SELECT 1 FROM path p CROSS JOIN version v ON v.path_id = p.id WHERE p.job_id IN {jobs} "
            "AND v.content_id IS NOT NULL AND v.content_id NOT IN (SELECT id FROM content) LIMIT 1",
        ),
        (
            "a content's object",
            "SELECT 1 FROM content WHERE store_id = ?1 AND object_id IS NOT NULL "
            "AND object_id NOT IN (SELECT id FROM object) LIMIT 1",
        ),
        (
            "a piece",
            "SELECT 1 FROM extent e WHERE e.piece_id NOT IN (SELECT id FROM content) AND ?1 LIMIT 1",
        ),
        (
            "a stretch's object",
            "SELECT 1 FROM stretch s WHERE s.object_id NOT IN (SELECT id FROM object) AND ?1 LIMIT 1",
        ),
    ):
        if cat.conn.execute(statement, (store_id,)).fetchone():
            raise CatalogError(f"the records are inconsistent:  {what} is missing", hint="try `catalog rebuild JOB`")
