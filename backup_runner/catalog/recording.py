"""Writing: versions, contents and objects of a running snapshot. Callers hold a transaction.

Rows are written many at a time: a statement for a thousand rows costs a fraction of a thousand statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..records import Digests, Extent, Kind
from .database import Catalog
from .many import content_ids, next_id, select


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


class NewVersion(NamedTuple):
    """What a path is from this snapshot on. `leader` is the key of the first of its hard links."""

    key: bytes
    meta: Meta
    content_id: int | None
    leader: bytes | None = None


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
        self._run_many = cat.conn.executemany

    def path_id(self, key: bytes) -> int:
        return self._path_ids([key])[0][key]

    def _path_ids(self, keys: Iterable[bytes]) -> tuple[dict[bytes, int], set[int]]:
        """Ids of paths, and which of them are new."""
        wanted = dict.fromkeys(keys)
        found = select(self.cat, "SELECT key, id FROM path WHERE job_id = ? AND key IN ({})", wanted, self.job_id)
        ids: dict[bytes, int] = dict(found)
        if len(ids) == len(wanted):
            return ids, set()
        absent = [key for key in wanted if key not in ids]
        first = next_id(self.cat, "path")
        fresh = range(first, first + len(absent))
        job_id = self.job_id
        self._run_many(
            "INSERT INTO path (id, job_id, key) VALUES (?, ?, ?)",
            [(new, job_id, key) for new, key in zip(fresh, absent, strict=True)],
        )
        ids.update(zip(absent, fresh, strict=True))
        return ids, set(fresh)

    def put_version(self, key: bytes, meta: Meta, content_id: int | None, *, leader: bytes | None = None) -> None:
        """The path is like this from this snapshot on."""
        self.put_versions([NewVersion(key, meta, content_id, leader)])

    def put_versions(self, rows: Sequence[NewVersion]) -> None:
        """The paths, each of them once, are like this from this snapshot on."""
        leaders = [row.leader for row in rows if row.leader is not None]
        ids, fresh = self._path_ids([*(row.key for row in rows), *leaders])
        had = self._close([ids[row.key] for row in rows if ids[row.key] not in fresh])
        self.gained += sum(row.meta.size for row in rows)
        self.added += sum(row.meta.kind != Kind.DIRECTORY and ids[row.key] not in had for row in rows)
        first = self.snapshot_id
        self._run_many(
            "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid, flags, link, xattrs, "
            "content_id, leader) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (ids[key], first, *meta, content_id, None if leader is None else ids[leader])
                for key, meta, content_id, leader in rows
            ],
        )

    def remove(self, key: bytes) -> None:
        """The path is gone from this snapshot on."""
        self._close([self.path_id(key)])

    def flag(self, key: bytes, bits: int) -> bool:
        """Set bits in the flags of the path's version from this snapshot on, and say whether it has a version."""
        path_id = self.path_id(key)
        statement = "SELECT id, first, flags FROM version WHERE path_id = ? AND until IS NULL"
        row = self._run(statement, (path_id,)).fetchone()
        if row is None:
            return False
        version_id, first, flags = row
        if flags | bits == flags:
            return True
        if first == self.snapshot_id:
            self._run("UPDATE version SET flags = ? WHERE id = ?", (flags | bits, version_id))
            return True
        # Earlier snapshots keep their row as it is.
        self._run("UPDATE version SET until = ? WHERE id = ?", (self.snapshot_id, version_id))
        rest = "kind, size, mtime_ns, ctime_ns, mode, uid, gid, link, xattrs, content_id, leader"
        statement = f"INSERT INTO version (path_id, first, flags, {rest}) SELECT path_id, ?, ?, {rest} FROM version"
        self._run(f"{statement} WHERE id = ?", (self.snapshot_id, flags | bits, version_id))
        return True

    def hold(self, key: bytes, size: int, mtime_ns: int, ctime_ns: int) -> None:
        """Keep what is stored, and remember the size and times of the file that was held back."""
        self._run(
            "INSERT INTO held (path_id, size, mtime_ns, ctime_ns) VALUES (?, ?, ?, ?) ON CONFLICT (path_id) DO UPDATE "
            "SET size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns",
            (self.path_id(key), size, mtime_ns, ctime_ns),
        )

    def _close(self, path_ids: Sequence[int]) -> set[int]:
        """End the open versions of these paths; the ids of those that had one."""
        statement = "SELECT id, path_id, first, size FROM version WHERE until IS NULL AND path_id IN ({})"
        found = list(select(self.cat, statement, path_ids))
        if not found:
            return set()
        self.gained -= sum(row[3] for row in found)
        snapshot_id = self.snapshot_id
        replaced = [(row[0],) for row in found if row[2] == snapshot_id]
        self._run_many("DELETE FROM version WHERE id = ?", replaced)
        ended = [(snapshot_id, row[0]) for row in found if row[2] != snapshot_id]
        self._run_many("UPDATE version SET until = ? WHERE id = ?", ended)
        self._run_many("DELETE FROM held WHERE path_id = ?", [(row[1],) for row in found])
        return {row[1] for row in found}

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

    def put_contents(self, items: Sequence[tuple[Digests, Sequence[Extent]]]) -> list[int]:
        """The same for many contents, no two of them equal: their ids."""
        return put_contents(self.cat, self.store_id, items)


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
    return put_contents(cat, store_id, [(digests, extents)])[0]


def put_contents(cat: Catalog, store_id: int, items: Sequence[tuple[Digests, Sequence[Extent]]]) -> list[int]:
    """Record contents, no two of them equal, as `put_content` does: their ids."""
    known = content_ids(cat, store_id, [digests for digests, _ in items])
    first = next_id(cat, "content")
    ids: list[int] = []
    rows: list[tuple[int, int, int, bytes, bytes]] = []
    placed: list[tuple[int, int, int, int, int]] = []
    for digests, extents in items:
        size, strong, weak = digests
        content_id = known.get((size, strong))
        if content_id is None:
            content_id = first + len(rows)
            rows.append((content_id, store_id, size, strong, weak))
            placed += [(content_id, seq, *extent) for seq, extent in enumerate(extents)]
        else:
            move_content(cat, content_id, extents)
        ids.append(content_id)
    cat.conn.executemany("INSERT INTO content (id, store_id, size, blake3, md5) VALUES (?, ?, ?, ?, ?)", rows)
    cat.conn.executemany(_EXTENT, placed)
    return ids


def move_content(cat: Catalog, content_id: int, extents: Sequence[Extent]) -> None:
    """The content lies at these extents from now on, in the container format."""
    cat.conn.execute("DELETE FROM extent WHERE content_id = ?", (content_id,))
    cat.conn.executemany(_EXTENT, [(content_id, seq, *extent) for seq, extent in enumerate(extents)])
    # The update also notes the content as changed, so that the next record carries its extents.
    cat.conn.execute("UPDATE content SET marked = 0, format = 'container' WHERE id = ?", (content_id,))


_EXTENT = "INSERT INTO extent (content_id, seq, object_id, offset, length) VALUES (?, ?, ?, ?, ?)"
