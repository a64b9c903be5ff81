"""Rows for objects that another tool made. Callers hold a transaction."""

from __future__ import annotations

from typing import NamedTuple

from ..records import Kind
from .database import Catalog
from .storing import note_versions


class ForeignObject(NamedTuple):
    """An object of another tool. `name` is relative to the target's prefix, `sealed_md5` 16 raw bytes.

    `plain` is the content's length in bytes, None if unknown; `etag`, `checksum` and `tier` are from the
    listing, `id` is the other tool's number of the content."""

    id: int
    name: str
    size: int
    plain: int | None
    plain_md5: bytes | None
    sealed_md5: bytes
    checksum: str
    etag: str
    tier: str
    created_ns: int


class ForeignFile(NamedTuple):
    """A path with a content; `id` is the other tool's number of the path."""

    id: int
    key: bytes
    content_id: int
    size: int
    mtime_ns: int
    mode: int
    uid: int
    gid: int


class Importer:
    """Adds objects, contents and versions. Ids of the other tool are kept if no row of ours ever had them."""

    def __init__(self, cat: Catalog, store_id: int, job_id: int, snapshot_id: int) -> None:
        self._run = cat.conn.execute
        note_versions(cat, store_id, snapshot_id)
        self._store_id = store_id
        self._job_id = job_id
        self._snapshot_id = snapshot_id
        self._last = {table: self._last_id(table) for table in ("content", "path")}
        self._known: dict[str, int] | None = None
        self.renumbered = 0
        """Number of contents and paths whose id was already in use here. Add in the order of ids, so that there are
        few."""

    def known(self, name: str) -> int | None:
        """The content of an object that was imported before."""
        if self._known is None:
            self._known = dict(
                self._run(
                    "SELECT o.name, c.id FROM content c JOIN object o ON o.id = c.object_id "
                    "WHERE c.store_id = ? AND c.layout = 1",
                    (self._store_id,),
                )
            )
        return self._known.get(name)

    def add_object(self, found: ForeignObject) -> int:
        """Record object and content; returns the content's id."""
        length = found.plain or 0
        object_id = self._run(
            "INSERT INTO object (store_id, name, size, plain, checksum, etag, parts, header, segments, tier, "
            "created_ns) VALUES (?, ?, ?, ?, ?, ?, NULL, ?, x'', ?, ?)",
            (
                self._store_id, found.name, found.size, length, found.checksum, found.etag, found.sealed_md5,
                found.tier, found.created_ns,
            ),
        ).lastrowid  # fmt: skip
        content_id = self._id("content", found.id)
        self._run(
            "INSERT INTO content (id, store_id, layout, object_id, offset, size, md5) VALUES (?, ?, 1, ?, 0, ?, ?)",
            (content_id, self._store_id, object_id, found.plain, found.plain_md5),
        )
        return content_id

    def add_file(self, file: ForeignFile) -> bool:
        """Record a path with its version, unless the job already has a version of it, which is newer."""
        row = self._run("SELECT id FROM path WHERE job_id = ? AND key = ?", (self._job_id, file.key)).fetchone()
        if row and self._run("SELECT 1 FROM version WHERE path_id = ? AND until IS NULL", row).fetchone():
            return False
        path_id = row[0] if row else self._add_path(file)
        self._run(
            "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid, content_id) "
            "VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
            (
                path_id, self._snapshot_id, Kind.FILE, file.size, file.mtime_ns, file.mode, file.uid, file.gid,
                file.content_id,
            ),
        )  # fmt: skip
        return True

    def add_folder(self, key: bytes, *, mtime_ns: int, mode: int, uid: int, gid: int) -> None:
        """Record a folder, which the other tool does not have, unless it is known here."""
        if self._run("SELECT 1 FROM path WHERE job_id = ? AND key = ?", (self._job_id, key)).fetchone():
            return
        path_id = self._run("INSERT INTO path (job_id, key) VALUES (?, ?)", (self._job_id, key)).lastrowid
        self._run(
            "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid) "
            "VALUES (?, ?, ?, 0, ?, 0, ?, ?, ?)",
            (path_id, self._snapshot_id, Kind.DIRECTORY, mtime_ns, mode, uid, gid),
        )

    def pin_unused(self) -> int:
        """Keep contents without a path, which the other tool lists until they are cleaned up; returns their number."""
        return self._run(
            "UPDATE content SET pinned = 1 WHERE store_id = ? AND layout = 1 AND pinned = 0 "
            "AND id NOT IN (SELECT content_id FROM version WHERE content_id IS NOT NULL)",
            (self._store_id,),
        ).rowcount

    def _add_path(self, file: ForeignFile) -> int:
        path_id = self._id("path", file.id)
        self._run("INSERT INTO path (id, job_id, key) VALUES (?, ?, ?)", (path_id, self._job_id, file.key))
        return path_id

    def _id(self, table: str, wanted: int) -> int:
        # An id at or below the last one may be in a record already, and would not get into the next.
        last = self._last[table]
        self._last[table] = wanted if wanted > last else last + 1
        self.renumbered += self._last[table] != wanted
        return self._last[table]

    def _last_id(self, table: str) -> int:
        row = self._run("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return row[0] if row else 0
