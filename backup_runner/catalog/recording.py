"""Writes versions, contents and objects of a running snapshot. Callers hold a transaction.

Rows are written in bulk: a statement for a thousand rows costs a fraction of a thousand statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..records import Composed, Kind, NewObject, Placed
from .database import Catalog
from .many import next_id, select
from .storing import add_object, note_versions, put_composed, put_placed


class Meta(NamedTuple):
    """A version's metadata of a file. `link` is a symlink's target."""

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
    """The version of a path from this snapshot on. `leader` is the key of the first of its hard links."""

    key: bytes
    meta: Meta
    content_id: int | None
    leader: bytes | None = None


class Recorder:
    """Writes one job's snapshot into the catalog."""

    def __init__(self, cat: Catalog, store_id: int, job_id: int, snapshot_id: int) -> None:
        self.cat = cat
        self.store_id = store_id
        self.job_id = job_id
        self.snapshot_id = snapshot_id
        self.pack_id: int | None = None
        """The id of the last recorded pack."""
        self.added = 0
        """Number of files and symlinks without an earlier version."""
        self.gained = 0
        """Growth of the job's files in bytes; negative if they shrank."""
        self._run = cat.conn.execute
        self._run_many = cat.conn.executemany
        mark = self._run(
            "SELECT row_id FROM high_water WHERE store_id = ? AND name = 'version'", (store_id,)
        ).fetchone()
        self._recorded = mark is not None and snapshot_id <= mark[0]
        """Whether a record has versions of this snapshot already."""

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

    def put_versions(self, rows: Sequence[NewVersion]) -> None:
        """Write the versions of paths from this snapshot on, each path once."""
        leaders = [row.leader for row in rows if row.leader is not None]
        ids, fresh = self._path_ids([*(row.key for row in rows), *leaders])
        had = self._close([ids[row.key] for row in rows if ids[row.key] not in fresh])
        self.gained += sum(row.meta.size for row in rows)
        self.added += sum(row.meta.kind != Kind.DIRECTORY and ids[row.key] not in had for row in rows)
        first = self.snapshot_id
        note_versions(self.cat, self.store_id, first)
        self._run_many(
            "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid, flags, link, xattrs, "
            "content_id, leader) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (ids[key], first, *meta, content_id, None if leader is None else ids[leader])
                for key, meta, content_id, leader in rows
            ],
        )
        self._note_new([ids[row.key] for row in rows])

    def _note_new(self, path_ids: Iterable[int]) -> None:
        """New versions of an already recorded snapshot go into the next record as changes."""
        if self._recorded:
            self._run_many(
                "INSERT INTO change (store_id, name, row_id, first) VALUES (?, 'version', ?, ?)",
                [(self.store_id, path_id, self.snapshot_id) for path_id in path_ids],
            )

    def remove(self, key: bytes) -> None:
        """Remove the path from this snapshot on."""
        self._close([self.path_id(key)])

    def flag(self, key: bytes, bits: int) -> bool:
        """Set bits in the flags of the path's version from this snapshot on; returns whether it has a version."""
        path_id = self.path_id(key)
        statement = "SELECT first, flags FROM version WHERE path_id = ? AND until IS NULL"
        row = self._run(statement, (path_id,)).fetchone()
        if row is None:
            return False
        first, flags = row
        if flags | bits == flags:
            return True
        at = (path_id, first)
        if first == self.snapshot_id:
            self._run("UPDATE version SET flags = ? WHERE path_id = ? AND first = ?", (flags | bits, *at))
            return True
        # Earlier snapshots keep their row unchanged.
        note_versions(self.cat, self.store_id, self.snapshot_id)
        self._run("UPDATE version SET until = ? WHERE path_id = ? AND first = ?", (self.snapshot_id, *at))
        rest = "kind, size, mtime_ns, ctime_ns, mode, uid, gid, link, xattrs, content_id, leader"
        statement = f"INSERT INTO version (path_id, first, flags, {rest}) SELECT path_id, ?, ?, {rest} FROM version"
        self._run(f"{statement} WHERE path_id = ? AND first = ?", (self.snapshot_id, flags | bits, *at))
        self._note_new([path_id])
        return True

    def hold(self, key: bytes, size: int, mtime_ns: int, ctime_ns: int) -> None:
        """Keep the stored version, and remember size and times of the file that was held back."""
        self._run(
            "INSERT INTO held (path_id, size, mtime_ns, ctime_ns) VALUES (?, ?, ?, ?) ON CONFLICT (path_id) DO UPDATE "
            "SET size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns",
            (self.path_id(key), size, mtime_ns, ctime_ns),
        )

    def _close(self, path_ids: Sequence[int]) -> set[int]:
        """End the open versions of these paths; returns the ids of those that had one."""
        statement = "SELECT path_id, first, size FROM version WHERE until IS NULL AND path_id IN ({})"
        found = list(select(self.cat, statement, path_ids))
        if not found:
            return set()
        self.gained -= sum(row[2] for row in found)
        snapshot_id = self.snapshot_id
        replaced = [row[:2] for row in found if row[1] == snapshot_id]
        self._run_many("DELETE FROM version WHERE path_id = ? AND first = ?", replaced)
        ended = [(snapshot_id, *row[:2]) for row in found if row[1] != snapshot_id]
        self._run_many("UPDATE version SET until = ? WHERE path_id = ? AND first = ?", ended)
        self._run_many("DELETE FROM held WHERE path_id = ?", [row[:1] for row in found])
        return {row[0] for row in found}

    def is_same(self, key: bytes, meta: Meta, content_id: int) -> bool:
        """Whether the path's open version is equal to this."""
        row = self._run(
            "SELECT v.size, v.mtime_ns, v.ctime_ns, v.mode, v.uid, v.gid, v.content_id FROM version v "
            "JOIN path p ON p.id = v.path_id WHERE p.job_id = ? AND p.key = ? AND v.until IS NULL",
            (self.job_id, key),
        ).fetchone()
        return bool(row == (*meta[1:7], content_id))

    # -- contents and objects

    def record_pack(self, new: NewObject, placed: Sequence[Placed], *, anew: bool = False) -> list[int]:
        """Record an object and its contents; returns the contents' ids. See `storing.put_placed`."""
        self.pack_id = add_object(self.cat, self.store_id, new)
        return put_placed(self.cat, self.store_id, self.pack_id, placed, anew=anew)

    def put_composed(self, items: Sequence[Composed], object_id: int | None) -> list[int]:
        """Record contents whose pieces are all in the catalog; returns their ids. The index of `object_id` has their
        lists."""
        return put_composed(self.cat, self.store_id, items, object_id)
