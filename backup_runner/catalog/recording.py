"""Writing: versions, contents and objects of a running snapshot. Callers hold a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..records import Digests, Extent, Kind
from .database import Catalog


class Meta(NamedTuple):
    """What a version remembers of a file besides its bytes. `link` is a symlink's target."""

    kind: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    flags: int = 0
    link: bytes | None = None
    xattrs: bytes | None = None


class NewObject(NamedTuple):
    """A stored object: `checksum` and `etag` as the service gave them, `parts` JSON sizes or None."""

    name: str
    size: int
    plain: int
    checksum: str
    etag: str
    parts: str | None
    header: bytes
    segments: bytes
    tier: str
    created_ns: int


class Recorder:
    """Writes one job's snapshot into the catalog."""

    def __init__(self, cat: Catalog, store_id: int, job_id: int, snapshot_id: int) -> None:
        self.cat = cat
        self.store_id = store_id
        self.job_id = job_id
        self.snapshot_id = snapshot_id
        self.added = 0
        """Files and symlinks that had no version before."""
        self.gained = 0
        """By how many bytes the job's files have grown; negative if they shrank."""
        self._run = cat.conn.execute

    def path_id(self, key: bytes) -> int:
        row = self._run("SELECT id FROM path WHERE job_id = ? AND key = ?", (self.job_id, key)).fetchone()
        if row:
            return int(row[0])
        return int(self._run("INSERT INTO path (job_id, key) VALUES (?, ?)", (self.job_id, key)).lastrowid or 0)

    def put_version(self, key: bytes, meta: Meta, content_id: int | None, *, leader: bytes | None = None) -> None:
        """The path is like this from this snapshot on."""
        path_id = self.path_id(key)
        leader_id = None if leader is None else self.path_id(leader)
        if not self._close(path_id) and meta.kind != Kind.DIRECTORY:
            self.added += 1
        self.gained += meta.size
        self._run(
            "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid, flags, link, xattrs, "
            "content_id, leader) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (path_id, self.snapshot_id, *meta, content_id, leader_id),
        )

    def remove(self, key: bytes) -> None:
        """The path is gone from this snapshot on."""
        self._close(self.path_id(key))

    def flag(self, key: bytes, bits: int) -> None:
        """Set bits in the flags of the path's open version, if it has one."""
        self._run(
            "UPDATE version SET flags = flags | ? WHERE path_id = ? AND until IS NULL AND flags & ? != ?",
            (bits, self.path_id(key), bits, bits),
        )

    def hold(self, key: bytes, size: int, mtime_ns: int, ctime_ns: int) -> None:
        """Keep what is stored, and remember the size and times of the file that was held back."""
        self._run(
            "INSERT INTO held (path_id, size, mtime_ns, ctime_ns) VALUES (?, ?, ?, ?) ON CONFLICT (path_id) DO UPDATE "
            "SET size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns",
            (self.path_id(key), size, mtime_ns, ctime_ns),
        )

    def _close(self, path_id: int) -> bool:
        row = self._run(
            "SELECT id, first, size FROM version WHERE path_id = ? AND until IS NULL", (path_id,)
        ).fetchone()
        if row is None:
            return False
        self.gained -= row[2]
        if row[1] == self.snapshot_id:
            self._run("DELETE FROM version WHERE id = ?", (row[0],))
        else:
            self._run("UPDATE version SET until = ? WHERE id = ?", (self.snapshot_id, row[0]))
        self._run("DELETE FROM held WHERE path_id = ?", (path_id,))
        return True

    def is_same(self, key: bytes, meta: Meta, content_id: int) -> bool:
        """Whether the path's open version says just this."""
        row = self._run(
            "SELECT v.size, v.mtime_ns, v.ctime_ns, v.mode, v.uid, v.gid, v.content_id FROM version v "
            "JOIN path p ON p.id = v.path_id WHERE p.job_id = ? AND p.key = ? AND v.until IS NULL",
            (self.job_id, key),
        ).fetchone()
        return bool(row == (*meta[1:7], content_id))

    # -- contents and objects

    def add_object(self, new: NewObject) -> int:
        return add_object(self.cat, self.store_id, new)

    def put_content(self, digests: Digests, extents: Sequence[Extent]) -> int:
        """Record a content; one that is there already now lies at these extents instead."""
        return put_content(self.cat, self.store_id, digests, extents)


def add_object(cat: Catalog, store_id: int, new: NewObject) -> int:
    cursor = cat.conn.execute(
        "INSERT INTO object (store_id, name, size, plain, checksum, etag, parts, header, segments, tier, created_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (store_id, *new),
    )
    return int(cursor.lastrowid or 0)


def finish_object(cat: Catalog, store_id: int, new: NewObject) -> int:
    """The same for an upload that was gone on with: a run that died may have named the object already, so that it was
    taken for an orphan and is in the catalog, without what only the end of the upload tells."""
    row = cat.conn.execute("SELECT id FROM object WHERE store_id = ? AND name = ?", (store_id, new.name)).fetchone()
    if row is None:
        return add_object(cat, store_id, new)
    columns = "size = ?, plain = ?, checksum = ?, etag = ?, parts = ?, header = ?, segments = ?, tier = ?"
    cat.conn.execute(f"UPDATE object SET {columns}, state = 'live' WHERE id = ?", (*new[1:9], row[0]))
    return int(row[0])


def put_content(cat: Catalog, store_id: int, digests: Digests, extents: Sequence[Extent]) -> int:
    """Record a content at these extents; one that is there already is moved to them and unmarked."""
    run = cat.conn.execute
    row = run(
        "SELECT id FROM content WHERE store_id = ? AND size = ? AND blake3 = ?",
        (store_id, digests.size, digests.blake3),
    ).fetchone()
    if row:
        content_id = int(row[0])
        move_content(cat, content_id, extents)
    else:
        content_id = int(
            run(
                "INSERT INTO content (store_id, size, blake3, md5) VALUES (?, ?, ?, ?)",
                (store_id, digests.size, digests.blake3, digests.md5),
            ).lastrowid
            or 0
        )
        _insert_extents(cat, content_id, extents)
    return content_id


def move_content(cat: Catalog, content_id: int, extents: Sequence[Extent]) -> None:
    """The content lies at these extents from now on, in the container format."""
    cat.conn.execute("DELETE FROM extent WHERE content_id = ?", (content_id,))
    _insert_extents(cat, content_id, extents)
    # The update also notes the content as changed, so that the next record carries its extents.
    cat.conn.execute("UPDATE content SET marked = 0, format = 'container' WHERE id = ?", (content_id,))


def _insert_extents(cat: Catalog, content_id: int, extents: Sequence[Extent]) -> None:
    cat.conn.executemany(
        "INSERT INTO extent (content_id, seq, object_id, offset, length) VALUES (?, ?, ?, ?, ?)",
        [(content_id, seq, *extent) for seq, extent in enumerate(extents)],
    )
