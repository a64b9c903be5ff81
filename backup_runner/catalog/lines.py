"""Rows as JSON Lines, as in records and full copies. `replaying` makes a catalog from them.

A line is an array: the table's name, then its columns in the order of `COLUMNS`. Bytes columns are hex (`x`) or, for
paths (`p`), a string, or `{"base64": …}` if they are not UTF-8. Ids (`i`) are reduced by the store's `shift`.
`["-", table, id]` deletes a row, `["-", "version", path id, first]` a version. See docs/format.md.

SQLite makes the lines itself, which takes a fraction of the time of a loop in Python.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import orjson

from .database import Catalog, Store
from .storing import WRITTEN

FORMAT = 2
"""Format of the payload of records and copies that this version writes; `replaying` reads all up to it."""

COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "job": (("id", "i"), ("name", "")),
    "snapshot": (
        ("id", "i"), ("job_id", "i"), ("scanned_ns", ""), ("started_ns", ""), ("finished_ns", ""), ("status", ""),
        ("plan_id", ""), ("scope", ""), ("totals", ""),
    ),
    "path": (("id", "i"), ("job_id", "i"), ("key", "p")),
    "object": (
        ("id", "i"), ("name", ""), ("size", ""), ("plain", ""), ("checksum", ""), ("etag", ""), ("parts", ""),
        ("header", "x"), ("segments", "x"), ("tier", ""), ("created_ns", ""), ("state", ""), ("told", ""),
    ),
    "content": (
        ("id", "i"), ("layout", ""), ("object_id", "i"), ("offset", ""), ("size", ""), ("blake3", "x"), ("md5", "x"),
        ("list", "x"), ("marked", ""), ("pinned", ""),
    ),
    "stretch": (("content_id", "i"), ("seq", ""), ("object_id", "i"), ("offset", ""), ("length", "")),
    "extent": (("content_id", "i"), ("at", ""), ("piece_id", "i")),
    "version": (
        ("path_id", "i"), ("first", "i"), ("until", "i"), ("kind", ""), ("size", ""), ("mtime_ns", ""),
        ("ctime_ns", ""), ("mode", ""), ("uid", ""), ("gid", ""), ("content_id", "i"), ("flags", ""), ("link", "p"),
        ("xattrs", "x"), ("leader", "i"),
    ),
    "held": (("path_id", "i"), ("size", ""), ("mtime_ns", ""), ("ctime_ns", "")),
}  # fmt: skip

_JOINS = {
    "job": "job t WHERE t.store_id = ?1",
    "snapshot": "snapshot t JOIN job j ON j.id = t.job_id WHERE j.store_id = ?1",
    "path": "path t CROSS JOIN job j ON j.id = t.job_id WHERE j.store_id = ?1",
    "object": "object t WHERE t.store_id = ?1",
    "content": "content t WHERE t.store_id = ?1",
    "stretch": "stretch t CROSS JOIN content c ON c.id = t.content_id WHERE c.store_id = ?1",
    "extent": "extent t CROSS JOIN content c ON c.id = t.content_id WHERE c.store_id = ?1",
    "version": "version t CROSS JOIN path p ON p.id = t.path_id JOIN job j ON j.id = p.job_id WHERE j.store_id = ?1",
    "held": "held t CROSS JOIN path p ON p.id = t.path_id JOIN job j ON j.id = p.job_id WHERE j.store_id = ?1",
}
KEYS = {
    "version": ("path_id", "first"), "held": ("path_id",), "stretch": ("content_id", "seq"),
    "extent": ("content_id", "at"),
}  # fmt: skip
"""The key columns of tables whose key is not `id`."""
NOTED = {"version": "first", "stretch": "content_id", "extent": "content_id"}
"""The column whose greatest value in a record is remembered, if it is not `id`: rows above it are new."""
_MARKED = ("job", "snapshot", "path", "object", "content")
"""Tables with ids of their own. The mark of versions is the newest snapshot's, that of extents the contents'."""
_DELETE_ORDER = ("version", "held", "content", "path", "object", "snapshot", "job")


def _json_path(value: bytes) -> bytes:
    """A path as JSON. Called only for paths that are not printable ASCII."""
    try:
        return orjson.dumps(value.decode())
    except UnicodeDecodeError:
        return orjson.dumps({"base64": base64.b64encode(value).decode()})


def _select(table: str, shift: int) -> str:
    """The statement that makes lines, up to its conditions."""

    def expression(name: str, code: str) -> str:
        column = f"t.{name}"
        if code == "i" and shift:
            return f"{column} - {shift}"
        if code == "x":
            return f"iif({column} IS NULL, NULL, lower(hex({column})))"
        if code == "p":
            # Everything except printable ASCII, which is nearly everything, is left to Python.
            text = f"CAST({column} AS TEXT)"
            return f"iif({text} GLOB '*[^ -~]*', json(CAST(json_path({column}) AS TEXT)), {text})"
        return column

    columns = ", ".join(expression(name, code) for name, code in COLUMNS[table])
    return f"SELECT json_array('{table}', {columns}) FROM {_JOINS[table]}"


def export_all(cat: Catalog, store: Store) -> Iterator[bytes]:
    """Every row of a store, as lines."""
    for table in COLUMNS:
        yield from _rows(cat, store, table, "", ())


def export_changes(cat: Catalog, store: Store, marks: dict[str, int]) -> Iterator[bytes]:
    """Every row that is new, changed or gone since the last record, as lines.

    `marks` are the upper bounds from `high_marks`, so that an export can be repeated after a crash."""
    low = dict(cat.conn.execute("SELECT name, row_id FROM high_water WHERE store_id = ?", (store.id,)).fetchall())
    # First, because what is new may take the place (the path, the hash) of what is gone.
    for table in _DELETE_ORDER:
        yield from _deleted(cat, store, table, low.get(table, 0), marks["change"])
    for table in COLUMNS:
        noted, owner = NOTED.get(table, "id"), _owner(table)
        start = low.get(owner, 0)
        changed = "SELECT row_id FROM change WHERE store_id = ?1 AND name = ?2 AND id <= ?3"
        if table == "version":
            where = f"AND t.first <= ?4 AND (t.path_id, t.first) IN ({changed.replace('row_id', 'row_id, first')})"
        elif table == "held":
            where = f"AND t.path_id IN ({changed}) AND ?4 >= 0"
        else:
            where = f"AND t.{noted} <= ?4 AND t.{noted} IN ({changed})"
        yield from _rows(cat, store, table, where, (owner, marks["change"], start))
        if table != "held" and not (table == "version" and low.get(WRITTEN, start + 1) <= start):
            yield from _rows(cat, store, table, f"AND t.{noted} > ?2 AND t.{noted} <= ?3", (start, marks[owner]))


def _owner(table: str) -> str:
    """The table whose changes and marks determine which rows of this one go into a record."""
    return "content" if table in ("stretch", "extent") else table


def _rows(cat: Catalog, store: Store, table: str, where: str, args: tuple[object, ...]) -> Iterator[bytes]:
    cat.conn.create_function("json_path", 1, _json_path, deterministic=True)
    order = ", ".join(f"t.{column}" for column in KEYS.get(table, ("id",)))
    cursor = cat.conn.execute(f"{_select(table, store.shift)} {where} ORDER BY {order}", (store.id, *args))
    while rows := cursor.fetchmany(1000):
        for (line,) in rows:
            yield line.encode()


def _deleted(cat: Catalog, store: Store, table: str, low: int, upto: int) -> Iterator[bytes]:
    shift = store.shift
    args = (store.id, table, upto, (1 << 62) if table == "held" else low)
    if table == "version":
        rows = cat.conn.execute(
            "SELECT DISTINCT c.row_id, c.first FROM change c LEFT JOIN version t ON t.path_id = c.row_id "
            "AND t.first = c.first WHERE c.store_id = ? AND c.name = ? AND c.id <= ? AND c.first <= ? "
            "AND t.path_id IS NULL ORDER BY 1, 2",
            args,
        )
        for path_id, first in rows.fetchall():
            yield orjson.dumps(["-", table, path_id - shift, first - shift])
        # Gone before migration 2, when versions had ids.
        rows = cat.conn.execute(
            "SELECT row_id FROM change WHERE store_id = ? AND name = 'version1' AND id <= ? ORDER BY 1",
            (store.id, upto),
        )
        for (row_id,) in rows.fetchall():
            yield orjson.dumps(["-", "version1", row_id - shift])
        return
    (key,) = KEYS.get(table, ("id",))
    rows = cat.conn.execute(
        f"SELECT DISTINCT c.row_id FROM change c LEFT JOIN {table} t ON t.{key} = c.row_id "
        f"WHERE c.store_id = ? AND c.name = ? AND c.id <= ? AND c.row_id <= ? AND t.{key} IS NULL ORDER BY c.row_id",
        args,
    )
    for (row_id,) in rows.fetchall():
        yield orjson.dumps(["-", table, row_id - shift])


def high_marks(cat: Catalog) -> dict[str, int]:
    """The newest ids of every table: the end of an export that starts now."""
    run = cat.conn.execute
    marks = {table: run(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0] for table in (*_MARKED, "change")}
    # By the sequence: the newest snapshot may have been forgotten, while versions that began with it still exist.
    row = run("SELECT seq FROM sqlite_sequence WHERE name = 'snapshot'").fetchone()
    marks["version"] = row[0] if row else 0
    return marks


def start_ids_above(cat: Catalog, shift: int) -> None:
    """New rows get ids above a store's shift, so that they are positive in the bucket, too, and stay above other
    stores' wherever they are pulled. Callers hold a transaction."""
    for table in _MARKED:
        row = cat.conn.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if row is None:
            cat.conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, shift))
        elif row[0] < shift:
            cat.conn.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (shift, table))


def has_changes(cat: Catalog, store: Store) -> bool:
    """Whether there are changes that are not in a record yet."""
    return next(export_changes(cat, store, high_marks(cat)), None) is not None


def mark_recorded(cat: Catalog, store_id: int, marks: dict[str, int]) -> None:
    """Mark everything up to these marks as recorded. Callers hold a transaction."""
    for table in (*_MARKED, "version"):
        cat.conn.execute(
            "INSERT INTO high_water (store_id, name, row_id) VALUES (?, ?, ?) "
            "ON CONFLICT (store_id, name) DO UPDATE SET row_id = excluded.row_id",
            (store_id, table, marks[table]),
        )
    cat.conn.execute("DELETE FROM change WHERE store_id = ? AND id <= ?", (store_id, marks["change"]))


def drop_store(cat: Catalog, store_id: int) -> None:
    """Delete all rows of a store from the catalog. Callers hold a transaction."""
    jobs = "(SELECT id FROM job WHERE store_id = ?)"
    paths = f"(SELECT id FROM path WHERE job_id IN {jobs})"
    contents = "(SELECT id FROM content WHERE store_id = ?)"
    for statement in (
        f"DELETE FROM version WHERE path_id IN {paths}",
        f"DELETE FROM held WHERE path_id IN {paths}",
        f"DELETE FROM path WHERE job_id IN {jobs}",
        f"DELETE FROM snapshot WHERE job_id IN {jobs}",
        "DELETE FROM job WHERE store_id = ?",
        f"DELETE FROM extent WHERE content_id IN {contents}",
        f"DELETE FROM stretch WHERE content_id IN {contents}",
        "DELETE FROM content WHERE store_id = ?",
        "DELETE FROM object WHERE store_id = ?",
        "DELETE FROM upload WHERE store_id = ?",
        "DELETE FROM envelope WHERE store_id = ?",
        "DELETE FROM plan_used WHERE store_id = ?",
        "DELETE FROM high_water WHERE store_id = ?",
        "DELETE FROM store WHERE id = ?",
        "DELETE FROM change WHERE store_id = ?",
    ):
        cat.conn.execute(statement, (store_id,))
