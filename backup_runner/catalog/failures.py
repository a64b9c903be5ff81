"""Turns SQLite's errors about the catalog's file or disk into helpful messages."""

from __future__ import annotations

import sqlite3

from ..errors import BusyError, CatalogError
from ..foreign import describe

_ACCESS = (
    "file and folder must be writable, even for reading; otherwise copy it and set `catalog:` in the job to the copy"
)
_DAMAGED = "the file is damaged: move it and its -wal and -shm files away, then recreate it with `catalog pull JOB`"
_BUSY = "wait for it to finish, then run the same command again"
_HINTS = {
    sqlite3.SQLITE_FULL: "free space on its disk, then run the same command again",
    sqlite3.SQLITE_IOERR: "its disk reports errors or is full: check it, then run the same command again",
    sqlite3.SQLITE_READONLY: _ACCESS,
    sqlite3.SQLITE_PERM: _ACCESS,
    sqlite3.SQLITE_CANTOPEN: _ACCESS,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def explained(error: Exception, path: str) -> BusyError | CatalogError | None:
    """The error for a catalog at `path` that cannot be used; None for bugs of this program."""
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    if code is None:
        return None
    # The upper bits only give details.
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BusyError(f"another program has locked the catalog {path}: {describe(error)}", hint=_BUSY)
    hint = _HINTS.get(code & 0xFF)
    return CatalogError(f"cannot use the catalog {path}: {describe(error)}", hint=hint) if hint else None
