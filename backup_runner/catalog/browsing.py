"""Reads history: which paths existed when. Everything streams, sorted by path.

A version is in the snapshots s of its job with first <= s < until; of these some may have been forgotten.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..records import Kind
from .births import split_birth
from .database import Catalog
from .history import CHUNK


class PathVersion(NamedTuple):
    """A path from snapshot `first` on, until before `until` (None: it still is so). Size in bytes.

    Larger than usual, because it is a row of a query.
    """

    key: bytes
    kind: int
    size: int
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    flags: int
    content_id: int | None
    leader: int | None
    link: bytes | None
    xattrs: bytes | None
    blake3: bytes | None
    md5: bytes | None
    first: int
    until: int | None
    ctime_ns: int = 0

    def is_in(self, snapshot_id: int) -> bool:
        return self.first <= snapshot_id and (self.until is None or snapshot_id < self.until)


class Difference(NamedTuple):
    """A path that differs between two snapshots; `what` are the differing parts, see `parts_changed`."""

    key: bytes
    change: str
    """`added`, `removed`, `changed` (other bytes, another type or link target) or `touched` (the rest)."""
    before: PathVersion | None
    after: PathVersion | None
    what: tuple[str, ...]

    @property
    def is_folder(self) -> bool:
        return (self.after or self.before or _NOTHING).kind == Kind.DIRECTORY


_NOTHING = PathVersion(b"", 0, 0, 0, 0, 0, 0, 0, None, None, None, None, None, None, 0, None)
_SUBSTANCE = frozenset({"type", "content", "target"})
_COLUMNS = (
    "p.key, v.kind, v.size, v.mtime_ns, v.mode, v.uid, v.gid, v.flags, v.content_id, v.leader, v.link, v.xattrs, "
    "c.blake3, c.md5, v.first, v.until, v.ctime_ns"
)
_TABLES = "path p CROSS JOIN version v ON v.path_id = p.id LEFT JOIN content c ON c.id = v.content_id"


def parts_changed(before: PathVersion, after: PathVersion) -> tuple[str, ...]:
    """Which of type, content, size, target (of a symlink), mtime, mode, owner, xattrs, links and birth_time differ;
    birth_time only if both are known."""
    (old_birth, old_xattrs), (new_birth, new_xattrs) = split_birth(before.xattrs), split_birth(after.xattrs)
    pairs = {
        "type": (before.kind, after.kind),
        "content": (before.content_id, after.content_id),
        "size": (before.size, after.size),
        "target": (before.link, after.link),
        "mtime": (before.mtime_ns, after.mtime_ns),
        "mode": (before.mode, after.mode),
        "owner": (before[5:7], after[5:7]),
        "xattrs": (old_xattrs, new_xattrs),
        "links": (before.leader, after.leader),
        "birth_time": (old_birth, new_birth) if None not in (old_birth, new_birth) else (None, None),
    }
    return tuple(name for name, (old, new) in pairs.items() if old != new)


def entries(
    cat: Catalog, job_id: int, snapshot_id: int, *, low: bytes = b"", high: bytes | None = None
) -> Iterator[PathVersion]:
    """All paths of a snapshot with low <= key < high."""
    return _stream(
        cat,
        "p.key >= ?3 AND (?4 IS NULL OR p.key < ?4) AND v.first <= ?2 AND (v.until IS NULL OR v.until > ?2)",
        (job_id, snapshot_id, low, high),
    )


def differences(cat: Catalog, job_id: int, old: int, new: int) -> Iterator[Difference]:
    """The differences that turn snapshot `old` into snapshot `new`; either may be newer."""
    in_one = "(v.first <= ?{0} AND (v.until IS NULL OR v.until > ?{0}))"
    rows = _stream(cat, f"{in_one.format(2)} != {in_one.format(3)}", (job_id, old, new))
    waiting: PathVersion | None = None
    for row in rows:
        if waiting is not None and waiting.key == row.key:
            yield difference_of(*((waiting, row) if waiting.is_in(old) else (row, waiting)))
            waiting = None
            continue
        if waiting is not None:
            yield _one_sided(waiting, old)
        waiting = row
    if waiting is not None:
        yield _one_sided(waiting, old)


def difference_of(before: PathVersion, after: PathVersion) -> Difference:
    """Two versions of a path, compared."""
    what = parts_changed(before, after)
    return Difference(before.key, "changed" if _SUBSTANCE & set(what) else "touched", before, after, what)


def _one_sided(row: PathVersion, old: int) -> Difference:
    if row.is_in(old):
        return Difference(row.key, "removed", row, None, ())
    return Difference(row.key, "added", None, row, ())


def versions_matching(cat: Catalog, job_id: int, matches: Callable[[bytes], bool]) -> Iterator[PathVersion]:
    """All versions of the paths for whose key `matches` is true, by path and then by age."""
    cat.conn.create_function("browsing_matches", 1, matches)
    return _stream(cat, "browsing_matches(p.key)", (job_id,))


def versions_of(cat: Catalog, job_id: int, key: bytes) -> list[PathVersion]:
    """All versions of a path, oldest first; `key` without a trailing slash also matches a folder."""
    found = list(_stream(cat, "p.key IN (?2, ?3)", (job_id, key, key.rstrip(b"/") + b"/" if key else b"")))
    return sorted(found, key=lambda row: row.first)


def names_below(cat: Catalog, job_id: int, start: bytes, limit: int = 200) -> Iterator[bytes]:
    """Stored paths that begin with `start`, up to their next slash: `docs/`, not everything in it."""
    folder = start[: start.rfind(b"/") + 1]
    low = start
    while limit > 0:
        row = cat.conn.execute(
            "SELECT key FROM path WHERE job_id = ? AND key >= ? ORDER BY key LIMIT 1", (job_id, low)
        ).fetchone()
        if row is None or not row[0].startswith(start):
            return
        name, slash, _ = row[0][len(folder) :].partition(b"/")
        if not name:
            low = row[0] + b"\0"
            continue
        # "0" is the character after "/".
        low = folder + name + (b"0" if slash else b"\0")
        limit -= 1
        yield folder + name + slash


def bytes_now(cat: Catalog, job_id: int) -> int:
    """Bytes of all files that the job has now."""
    row = cat.conn.execute(
        "SELECT coalesce(sum(v.size), 0) FROM version v JOIN path p ON p.id = v.path_id "
        "WHERE p.job_id = ? AND v.until IS NULL AND v.kind = 0",
        (job_id,),
    ).fetchone()
    return int(row[0])


def owners_now(cat: Catalog, job_id: int) -> set[tuple[int, int]]:
    """Users and groups of all files that the job has now."""
    rows = cat.conn.execute(
        "SELECT DISTINCT v.uid, v.gid FROM version v JOIN path p ON p.id = v.path_id "
        "WHERE p.job_id = ? AND v.until IS NULL",
        (job_id,),
    )
    return {(uid, gid) for uid, gid in rows}


def snapshots_within(ids: list[int], first: int, until: int | None) -> list[int]:
    """The sorted snapshot ids in [first, until)."""
    return ids[bisect_left(ids, first) : None if until is None else bisect_left(ids, until)]


def _stream(cat: Catalog, where: str, values: tuple[object, ...]) -> Iterator[PathVersion]:
    cursor = cat.conn.execute(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE p.job_id = ?1 AND {where} ORDER BY p.key, v.first", values
    )
    while rows := cursor.fetchmany(CHUNK):
        yield from map(PathVersion._make, rows)
