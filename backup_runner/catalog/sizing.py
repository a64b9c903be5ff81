"""How much is stored, and how it came to be so much. Everything is in the catalog; sizes are bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

import orjson

from . import retirement
from .database import Catalog, Snapshot

_CONTENTS = (
    "SELECT DISTINCT v.content_id FROM version v JOIN path p ON p.id = v.path_id "
    "WHERE p.job_id = ?1 AND v.content_id IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A snapshot: what it has, what it added, and how much of what is stored now was stored by then."""

    id: int
    scanned_ns: int
    status: str
    files: int
    size: int
    new: int
    """Bytes that were not stored before, uncompressed."""
    stored: int
    """Bytes that it added to the bucket."""
    kept: int
    """Bytes of the objects in the bucket now that are not younger than the snapshot."""


@dataclass(frozen=True, slots=True)
class SourceSize:
    """Files and symlinks of a source, in the newest complete snapshot."""

    path: bytes
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of one job's files, and of the objects that it shares with the other jobs of its lineage."""

    jobs: int
    """How many jobs share the objects."""
    sources: tuple[SourceSize, ...]
    versions: int
    """Files in all snapshots, each once as long as it did not change."""
    version_bytes: int
    distinct_bytes: int
    """Bytes of these files, equal ones counted once."""
    unique_bytes: int
    """Bytes of their parts, equal ones counted once and holes not at all: what has to be stored, uncompressed."""
    objects: int
    object_bytes: int
    object_plain: int
    """Bytes in the objects before they were compressed and encrypted."""
    unused_bytes: int
    """Of these, bytes that no snapshot needs any more."""
    tiers: Mapping[str, int]
    """Bytes of objects by storage tier."""
    steps: tuple[Step, ...]
    """Oldest first."""

    @property
    def deduplication(self) -> float | None:
        """How many bytes of files there are for one that has to be stored; None if there are none."""
        return self.version_bytes / self.unique_bytes if self.unique_bytes else None

    @property
    def compression(self) -> float | None:
        """How many bytes there are for one in the bucket; None if there are no objects."""
        return self.object_plain / self.object_bytes if self.object_bytes else None


def sizes(cat: Catalog, store_id: int, job_id: int, sources: Iterable[tuple[bytes, bytes]]) -> Sizes:
    """Sizes of a job; `sources` are (stored path without slash at the end, path on disk)."""
    one = cat.conn.execute
    snapshots = cat.snapshots(job_id)
    versions, version_bytes = one(
        "SELECT count(*), coalesce(sum(v.size), 0) FROM version v JOIN path p ON p.id = v.path_id "
        "WHERE p.job_id = ? AND v.kind = 0",
        (job_id,),
    ).fetchone()
    (distinct,) = one(f"SELECT coalesce(sum(size), 0) FROM content WHERE id IN ({_CONTENTS})", (job_id,)).fetchone()
    (unique,) = one(
        f"SELECT coalesce(sum(size), 0) FROM content WHERE layout != 3 AND id IN ({_CONTENTS} UNION "
        f"SELECT piece_id FROM extent WHERE content_id IN ({_CONTENTS}))",
        (job_id,),
    ).fetchone()
    retirement.find_living(cat, job_id, ())
    objects = list(retirement.living_worths(cat, store_id))
    tiers: dict[str, int] = {}
    for found in objects:
        tiers[found.tier] = tiers.get(found.tier, 0) + found.size
    newest = max((s.id for s in snapshots if s.status == "complete"), default=0)
    return Sizes(
        jobs=len(cat.jobs(store_id)),
        sources=tuple(SourceSize(path, *_below(cat, job_id, newest, key)) for key, path in sources),
        versions=versions,
        version_bytes=version_bytes,
        distinct_bytes=distinct,
        unique_bytes=unique,
        objects=len(objects),
        object_bytes=sum(found.size for found in objects),
        object_plain=sum(found.plain for found in objects),
        unused_bytes=sum(max(0, found.plain - found.live) for found in objects),
        tiers=tiers,
        steps=tuple(_steps(snapshots, sorted((found.created_ns, found.size) for found in objects))),
    )


def _below(cat: Catalog, job_id: int, snapshot_id: int, root: bytes) -> tuple[int, int]:
    low, high = (root + b"/", root + b"0") if root else (b"", None)
    row = cat.conn.execute(
        "SELECT count(*), coalesce(sum(v.size), 0) FROM path p JOIN version v ON v.path_id = p.id "
        "WHERE p.job_id = ?1 AND v.kind != 1 AND v.first <= ?2 AND (v.until IS NULL OR v.until > ?2) "
        "AND (p.key = ?3 OR (p.key >= ?4 AND (?5 IS NULL OR p.key < ?5)))",
        (job_id, snapshot_id, root, low, high),
    ).fetchone()
    return int(row[0]), int(row[1])


def _steps(snapshots: Iterable[Snapshot], objects: list[tuple[int, int]]) -> Iterable[Step]:
    times = [created for created, _ in objects]
    sums = [0, *accumulate(size for _, size in objects)]
    for one in snapshots:
        totals = orjson.loads(one.totals)
        until = max(one.finished_ns or 0, one.scanned_ns)
        files, size, new, stored = (
            int(totals.get(name, 0)) for name in ("files", "bytes", "new_bytes", "stored_bytes")
        )
        kept = sums[bisect_right(times, until)]
        yield Step(one.id, one.scanned_ns, one.status, files, size, new, stored, kept)


def object_sizes(cat: Catalog, store_id: int) -> dict[str, int]:
    """Bytes of each object, by name."""
    return dict(cat.conn.execute("SELECT name, size FROM object WHERE store_id = ?", (store_id,)).fetchall())
