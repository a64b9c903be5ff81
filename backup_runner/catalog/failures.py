"""What SQLite says when the catalog's file or its disk is at fault, in words that help."""

from __future__ import annotations

import sqlite3

from ..errors import CatalogError

_ACCESS = "check owner and mode of the file and of its folder"
_DAMAGED = "the file is damaged: move it and its -wal and -shm away; `catalog pull JOB` makes it anew from the bucket"
_BUSY = "another program keeps it open: let it end, then run the same command again"
_HINTS = {
    sqlite3.SQLITE_FULL: "make room on its disk, then run the same command again",
    sqlite3.SQLITE_IOERR: "its disk reports faults or is full: look at it, then run the same command again",
    sqlite3.SQLITE_READONLY: _ACCESS,
    sqlite3.SQLITE_PERM: _ACCESS,
    sqlite3.SQLITE_CANTOPEN: _ACCESS,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}


def explained(error: Exception, path: str) -> CatalogError | None:
    """The error for a catalog at `path` that cannot be used; None for what is a fault of this program."""
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    hint = _HINTS.get(code & 0xFF) if code is not None else None
    return CatalogError(f"cannot use the catalog {path}: {error}", hint=hint) if hint else None
