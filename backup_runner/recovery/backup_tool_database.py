"""Reads backup-tool's own database: which objects it made, and of which files. Never writes to it."""

from __future__ import annotations

import base64
import binascii
import os
import sqlite3
import urllib.parse
from typing import Any, NamedTuple

from ..errors import CatalogError
from ..foreign import describe
from ..moments import from_seconds

_WAIT_SECONDS = 2.0
_OBJECTS = ("id", "uploaded_file_path", "original_md5_checksum", "uploaded_md5_checksum")
_FILES = ("id", "backup_entry_id", "local_file_path")
_CACHED = ("cached_mtime", "cached_size")


class LegacyObject(NamedTuple):
    """A `backup_entry`: an object in the bucket. MD5s are 16 raw bytes, None if the database has no valid one."""

    id: int
    name: str
    plain_md5: bytes | None
    sealed_md5: bytes | None


class LegacyFile(NamedTuple):
    """A `backup_entry_local_file`. `size` in bytes and `mtime_ns` are as recorded by backup-tool, or None."""

    id: int
    object_id: int | None
    path: bytes
    mtime_ns: int | None
    size: int | None


class LegacyDatabase(NamedTuple):
    """All rows, by id."""

    objects: list[LegacyObject]
    files: list[LegacyFile]


def read_database(path: str) -> LegacyDatabase:
    """Raises CatalogError if it does not exist, has another kind or version, or is in use by backup-tool."""
    if not os.path.isfile(path):
        raise CatalogError(f"database not found: {path}", hint="it is `database_file` in backup-tool's config")
    # Read-only, so that a wrong path never becomes a database, and no WAL files are created beside it.
    address = f"file:{urllib.parse.quote(os.path.abspath(path))}?mode=ro"
    try:
        conn = sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)
        try:
            return _read(conn, path)
        finally:
            conn.close()
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise CatalogError(
                f"the database {path} is locked: backup-tool is using it",
                hint="wait for it to finish, then import again; nothing was changed",
            ) from None
        raise CatalogError(f"cannot read the database {path}: {describe(error)}") from None
    except sqlite3.DatabaseError as error:
        raise CatalogError(f"{path} is not a SQLite database, or is damaged: {describe(error)}") from None


def _read(conn: sqlite3.Connection, path: str) -> LegacyDatabase:
    conn.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    conn.execute("BEGIN")
    objects = _columns(conn, "backup_entry")
    files = _columns(conn, "backup_entry_local_file")
    if not objects or not files:
        raise CatalogError(
            f"{path} belongs to another program: it has no tables backup_entry and backup_entry_local_file",
            hint="it is `database_file` in backup-tool's config",
        )
    missing = sorted({*_OBJECTS} - objects) + sorted({*_FILES} - files)
    if missing:
        raise CatalogError(
            f"{path} is from an unsupported version of backup-tool: it lacks {', '.join(missing)}",
            hint="run any command of a newer backup-tool once; it updates its database",
        )
    cached = [name if name in files else "NULL" for name in _CACHED]
    return LegacyDatabase(
        [_object(row, path) for row in _rows(conn, "backup_entry", _OBJECTS)],
        [_file(row) for row in _rows(conn, "backup_entry_local_file", (*_FILES, *cached)) if row[2]],
    )


def _rows(conn: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> sqlite3.Cursor:
    return conn.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")  # noqa: S608 - our own names


def _columns(conn: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in conn.execute(f"PRAGMA table_info({table})")}


def _object(row: tuple[Any, ...], path: str) -> LegacyObject:
    if not isinstance(row[1], str) or not row[1]:
        raise CatalogError(f"{path}: backup entry {row[0]} has no object", hint="the database is damaged")
    return LegacyObject(row[0], row[1], _md5(row[2]), _md5(row[3]))


def _md5(text: object) -> bytes | None:
    try:
        raw = base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == 16 else None


def _file(row: tuple[Any, ...]) -> LegacyFile:
    # SQLite accepts any value in a column; an invalid number counts as absent.
    mtime = from_seconds(row[3]) if isinstance(row[3], int | float) else None
    size = row[4] if isinstance(row[4], int) and row[4] >= 0 else None
    return LegacyFile(row[0], row[1], os.fsencode(row[2]), mtime, size)
