"""Rows as JSON Lines: what records and full copies carry, and how a catalog is made from them again.

A line is an array: the table's name, then its columns in the order of `COLUMNS`. Bytes columns are hex (`x`),
base64 (`b`) or, for paths (`p`), a string, or `{"base64": …}` if they are not UTF-8. Ids (`i`) are less by the
store's `shift`. A content's line ends with its extents. `["-", table, id]` deletes a row. See docs/format.md.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from ..errors import CatalogError
from ..foreign import describe
from .database import Catalog, Store
from .many import select

COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "job": (("id", "i"), ("name", "")),
    "snapshot": (
        ("id", "i"), ("job_id", "i"), ("scanned_ns", ""), ("started_ns", ""), ("finished_ns", ""), ("status", ""),
        ("plan_id", ""), ("scope", ""), ("totals", ""),
    ),
    "path": (("id", "i"), ("job_id", "i"), ("key", "p")),
    "object": (
        ("id", "i"), ("name", ""), ("size", ""), ("plain", ""), ("checksum", ""), ("etag", ""), ("parts", ""),
        ("header", "b"), ("segments", "b"), ("tier", ""), ("created_ns", ""), ("state", ""), ("told", ""),
    ),
    "content": (
        ("id", "i"), ("size", ""), ("blake3", "x"), ("md5", "x"), ("format", ""), ("marked", ""), ("pinned", ""),
    ),
    "version": (
        ("id", "i"), ("path_id", "i"), ("first", "i"), ("until", "i"), ("kind", ""), ("size", ""), ("mtime_ns", ""),
        ("ctime_ns", ""), ("mode", ""), ("uid", ""), ("gid", ""), ("content_id", "i"), ("flags", ""), ("link", "p"),
        ("xattrs", "b"), ("leader", "i"),
    ),
    "held": (("path_id", "i"), ("size", ""), ("mtime_ns", ""), ("ctime_ns", "")),
}  # fmt: skip

_JOINS = {
    "job": "job t WHERE t.store_id = ?1",
    "snapshot": "snapshot t JOIN job j ON j.id = t.job_id WHERE j.store_id = ?1",
    "path": "path t JOIN job j ON j.id = t.job_id WHERE j.store_id = ?1",
    "object": "object t WHERE t.store_id = ?1",
    "content": "content t WHERE t.store_id = ?1",
    "version": "version t JOIN path p ON p.id = t.path_id JOIN job j ON j.id = p.job_id WHERE j.store_id = ?1",
    "held": "held t JOIN path p ON p.id = t.path_id JOIN job j ON j.id = p.job_id WHERE j.store_id = ?1",
}
_DELETE_ORDER = ("version", "held", "content", "path", "object", "snapshot", "job")


def _key(table: str) -> str:
    return "path_id" if table == "held" else "id"


def _text(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


def _encoders(table: str, shift: int) -> list[tuple[int, Callable[[Any], object]]]:
    codecs: dict[str, Callable[[Any], object]] = {
        "x": bytes.hex, "b": lambda v: base64.b64encode(v).decode(), "p": _text, "i": lambda v: v - shift,
    }  # fmt: skip
    columns = enumerate(COLUMNS[table], start=1)
    return [(at, codecs[code]) for at, (_, code) in columns if code and (code != "i" or shift)]


def _decoders(table: str, shift: int) -> list[tuple[int, Callable[[Any], object]]]:
    codecs: dict[str, Callable[[Any], object]] = {
        "x": bytes.fromhex, "b": base64.b64decode, "p": _bytes, "i": lambda v: v + shift,
    }  # fmt: skip
    return [(at, codecs[code]) for at, (_, code) in enumerate(COLUMNS[table]) if code and (code != "i" or shift)]


def export_all(cat: Catalog, store: Store) -> Iterator[bytes]:
    """Every row of a store, as lines."""
    for table in COLUMNS:
        yield from _rows(cat, store, table, "", ())


def export_changes(cat: Catalog, store: Store, marks: dict[str, int]) -> Iterator[bytes]:
    """Every row that is new, changed or gone since the last record, as lines.

    `marks` are the upper bounds from `high_marks`, so that an export can be made again after a crash."""
    low = dict(cat.conn.execute("SELECT name, row_id FROM high_water WHERE store_id = ?", (store.id,)).fetchall())
    # First, because what is new may take the place (the path, the hash) of what is gone.
    for table in _DELETE_ORDER:
        yield from _deleted(cat, store, table, low.get(table, 0), marks["change"])
    for table in COLUMNS:
        start = low.get(table, 0)
        where = (
            f"AND t.{_key(table)} <= ?2 AND t.{_key(table)} IN "
            "(SELECT row_id FROM change WHERE store_id = ?1 AND name = ?3 AND id <= ?4)"
        )
        yield from _rows(cat, store, table, where, (start, table, marks["change"]))
        if table != "held":
            yield from _rows(cat, store, table, "AND t.id > ?2 AND t.id <= ?3", (start, marks[table]))


def _rows(cat: Catalog, store: Store, table: str, where: str, args: tuple[object, ...]) -> Iterator[bytes]:
    columns = ", ".join(f"t.{name}" for name, _ in COLUMNS[table])
    if table == "held" and where:
        args = (1 << 62, *args[1:])
    cursor = cat.conn.execute(
        f"SELECT '{table}', {columns} FROM {_JOINS[table]} {where} ORDER BY t.{_key(table)}",
        (store.id, *args),
    )
    encoders = _encoders(table, store.shift)
    dumps = orjson.dumps
    while rows := cursor.fetchmany(1000):
        extents = _extents(cat, [row[1] for row in rows], store.shift) if table == "content" else None
        for found in rows:
            row = list(found)
            for at, encode in encoders:
                if row[at] is not None:
                    row[at] = encode(row[at])
            if extents is not None:
                row.append(extents.get(found[1], ()))
            yield dumps(row)


def _extents(cat: Catalog, content_ids: list[int], shift: int) -> dict[int, list[tuple[int, int, int]]]:
    """Where contents lie, in order, by their ids."""
    statement = "SELECT content_id, object_id, offset, length FROM extent WHERE content_id IN ({}) ORDER BY 1, seq"
    found: dict[int, list[tuple[int, int, int]]] = {}
    for content_id, object_id, offset, length in select(cat, statement, content_ids):
        found.setdefault(content_id, []).append((object_id - shift, offset, length))
    return found


def _deleted(cat: Catalog, store: Store, table: str, low: int, upto: int) -> Iterator[bytes]:
    key = _key(table)
    bound = (1 << 62) if table == "held" else low
    cursor = cat.conn.execute(
        f"SELECT DISTINCT c.row_id FROM change c LEFT JOIN {table} t ON t.{key} = c.row_id "
        f"WHERE c.store_id = ? AND c.name = ? AND c.id <= ? AND c.row_id <= ? AND t.{key} IS NULL ORDER BY c.row_id",
        (store.id, table, upto, bound),
    )
    for (row_id,) in cursor.fetchall():
        yield orjson.dumps(["-", table, row_id - store.shift])


def high_marks(cat: Catalog) -> dict[str, int]:
    """The newest ids of every table: what an export that starts now has to reach."""
    marks = {
        table: cat.conn.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]
        for table in COLUMNS
        if table != "held"
    }
    marks["change"] = cat.conn.execute("SELECT coalesce(max(id), 0) FROM change").fetchone()[0]
    return marks


def start_ids_above(cat: Catalog, shift: int) -> None:
    """New rows get ids above a store's shift, so that they are positive in the bucket, too, and stay above other
    stores' wherever they are pulled. Callers hold a transaction."""
    for table in COLUMNS:
        if table != "held":
            row = cat.conn.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
            if row is None:
                cat.conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, shift))
            elif row[0] < shift:
                cat.conn.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (shift, table))


def has_changes(cat: Catalog, store: Store) -> bool:
    """Whether anything is not in a record yet."""
    return next(export_changes(cat, store, high_marks(cat)), None) is not None


def settle(cat: Catalog, store_id: int, marks: dict[str, int]) -> None:
    """Everything up to these marks is in a record. Callers hold a transaction."""
    for table in COLUMNS:
        if table != "held":
            cat.conn.execute(
                "INSERT INTO high_water (store_id, name, row_id) VALUES (?, ?, ?) "
                "ON CONFLICT (store_id, name) DO UPDATE SET row_id = excluded.row_id",
                (store_id, table, marks[table]),
            )
    cat.conn.execute("DELETE FROM change WHERE store_id = ? AND id <= ?", (store_id, marks["change"]))


def replay(cat: Catalog, store: Store, lines: Iterable[bytes]) -> None:
    """Do what the lines say to a store's rows. Callers hold a transaction. Raises CatalogError."""
    cat.conn.execute("PRAGMA defer_foreign_keys = ON")
    decoders = {table: _decoders(table, store.shift) for table in COLUMNS}
    statements = {table: _upsert(table, store.id) for table in COLUMNS}
    for line in lines:
        try:
            table, *row = orjson.loads(line)
            if table == "-":
                cat.conn.execute(f"DELETE FROM {_known(row[0])} WHERE {_key(row[0])} = ?", (row[1] + store.shift,))
                continue
            extents = row.pop() if table == "content" else []
            for at, decode in decoders[table]:
                if row[at] is not None:
                    row[at] = decode(row[at])
            cat.conn.execute(statements[table], row)
            if table == "content":
                _replay_extents(cat, row[0], extents, store.shift)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, sqlite3.Error) as error:
            raise CatalogError(
                f"a catalog record does not fit: {describe(error)}", hint="try `catalog rebuild JOB`"
            ) from None


def _known(table: str) -> str:
    if table not in COLUMNS:
        raise KeyError(table)
    return table


def _replay_extents(cat: Catalog, content_id: int, extents: list[list[int]], shift: int) -> None:
    cat.conn.execute("DELETE FROM extent WHERE content_id = ?", (content_id,))
    cat.conn.executemany(
        "INSERT INTO extent (content_id, seq, object_id, offset, length) VALUES (?, ?, ?, ?, ?)",
        [(content_id, seq, at[0] + shift, at[1], at[2]) for seq, at in enumerate(extents)],
    )


def _upsert(table: str, store_id: int) -> str:
    names = [name for name, _ in COLUMNS[table]]
    fixed = ["store_id"] if table in ("job", "object", "content") else []
    marks = ", ".join(["?"] * len(names) + [str(store_id)] * len(fixed))
    updates = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    return (
        f"INSERT INTO {table} ({', '.join(names + fixed)}) VALUES ({marks}) "
        f"ON CONFLICT ({names[0]}) DO UPDATE SET {updates}"
    )


def drop_store(cat: Catalog, store_id: int) -> None:
    """Take every row of a store out of the catalog. Callers hold a transaction."""
    jobs = "(SELECT id FROM job WHERE store_id = ?)"
    paths = f"(SELECT id FROM path WHERE job_id IN {jobs})"
    for statement in (
        f"DELETE FROM version WHERE path_id IN {paths}",
        f"DELETE FROM held WHERE path_id IN {paths}",
        f"DELETE FROM path WHERE job_id IN {jobs}",
        f"DELETE FROM snapshot WHERE job_id IN {jobs}",
        "DELETE FROM job WHERE store_id = ?",
        "DELETE FROM content WHERE store_id = ?",
        "DELETE FROM object WHERE store_id = ?",
        "DELETE FROM upload WHERE store_id = ?",
        "DELETE FROM plan_used WHERE store_id = ?",
        "DELETE FROM high_water WHERE store_id = ?",
        "DELETE FROM store WHERE id = ?",
        "DELETE FROM change WHERE store_id = ?",
    ):
        cat.conn.execute(statement, (store_id,))
