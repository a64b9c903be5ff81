"""Reads a job's files now and at a snapshot, and where contents are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..records import CatalogRow, Digests, Extent, Flag, NewObject
from .database import Catalog
from .many import USABLE, content_ids, usable_contents

CHUNK = 2000


class VersionRow(NamedTuple):
    """A path at a snapshot, with everything a restore needs except the bytes.

    Larger than usual, because it is a row of a query.
    """

    key: bytes
    kind: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    path_id: int
    content_id: int | None
    flags: int
    leader: int | None
    link: bytes | None
    xattrs: bytes | None


class ContentRow(NamedTuple):
    """A content: size and digests may be None for one imported from another tool until it was opened.

    `md5` is None for pieces and for files with holes too large to hash; `list` is set for composed contents alone."""

    id: int
    size: int | None
    blake3: bytes | None
    md5: bytes | None
    format: str
    layout: int
    list: bytes | None


@dataclass(frozen=True, slots=True)
class ObjectRow(NewObject):
    """An object as recorded: what was stored, its row and its state.

    Larger than usual, because it is a row of the catalog's table.
    """

    id: int
    state: str
    told: int


def current(cat: Catalog, job_id: int) -> Iterator[CatalogRow]:
    """All paths that the job has now, sorted by key."""
    columns = (
        "p.key, v.kind, v.size, v.mtime_ns, v.ctime_ns, v.mode, v.uid, v.gid, p.id, v.content_id, v.flags, v.leader"
    )
    tables = "path p CROSS JOIN version v ON v.path_id = p.id AND v.until IS NULL"
    if not _any_held(cat, job_id):
        cursor = cat.conn.execute(
            f"SELECT {columns}, NULL FROM {tables} WHERE p.job_id = ? ORDER BY p.key",
            (job_id,),
        )
        while rows := cursor.fetchmany(CHUNK):
            yield from map(CatalogRow._make, rows)
        return
    cursor = cat.conn.execute(
        f"SELECT {columns}, h.size, h.mtime_ns, h.ctime_ns FROM {tables} LEFT JOIN held h ON h.path_id = p.id "
        "WHERE p.job_id = ? ORDER BY p.key",
        (job_id,),
    )
    while rows := cursor.fetchmany(CHUNK):
        for row in rows:
            yield CatalogRow._make((*row[:12], None if row[12] is None else row[12:15]))


_SPECIAL = 16
"""Added to the kind of brief rows for which more than eight fields matter; no scan yields such a kind."""
_TELLING = Flag.STALE | Flag.MOVED | Flag.BY_MD5 | Flag.NO_ATTRIBUTES


def current_brief(cat: Catalog, job_id: int) -> Iterator[tuple[bytes, int, int, int, int, int, int, int]]:
    """All paths that the job has now, sorted by key: the first eight fields only. Rows with relevant flags, hard links
    or a held file have a kind that equals nothing, so that their complete row is read (`current_row`)."""
    special, join = f"v.flags & {_TELLING} OR v.leader", ""
    if _any_held(cat, job_id):
        special, join = f"{special} OR h.path_id", "LEFT JOIN held h ON h.path_id = p.id "
    cursor = cat.conn.execute(
        f"SELECT p.key, CASE WHEN {special} THEN v.kind + {_SPECIAL} ELSE v.kind END, "
        "v.size, v.mtime_ns, v.ctime_ns, v.mode, v.uid, v.gid "
        f"FROM path p CROSS JOIN version v ON v.path_id = p.id AND v.until IS NULL {join}"
        "WHERE p.job_id = ? ORDER BY p.key",
        (job_id,),
    )
    while rows := cursor.fetchmany(CHUNK):
        yield from rows


def _any_held(cat: Catalog, job_id: int) -> bool:
    row = cat.conn.execute(
        "SELECT 1 FROM held h CROSS JOIN path p ON p.id = h.path_id WHERE p.job_id = ? LIMIT 1", (job_id,)
    ).fetchone()
    return row is not None


def current_row(cat: Catalog, job_id: int, key: bytes) -> CatalogRow:
    """The complete current row of one path. Raises KeyError if there is none."""
    row = cat.conn.execute(
        "SELECT p.key, v.kind, v.size, v.mtime_ns, v.ctime_ns, v.mode, v.uid, v.gid, p.id, v.content_id, v.flags, "
        "v.leader, h.size, h.mtime_ns, h.ctime_ns FROM path p JOIN version v ON v.path_id = p.id AND v.until IS NULL "
        "LEFT JOIN held h ON h.path_id = p.id WHERE p.job_id = ? AND p.key = ?",
        (job_id, key),
    ).fetchone()
    if row is None:
        raise KeyError(key)
    return CatalogRow._make((*row[:12], None if row[12] is None else row[12:15]))


_VERSION = (
    "p.key, v.kind, v.size, v.mtime_ns, v.ctime_ns, v.mode, v.uid, v.gid, p.id, v.content_id, v.flags, v.leader, "
    "v.link, v.xattrs"
)


def at_snapshot(
    cat: Catalog, job_id: int, snapshot_id: int, *, low: bytes = b"", high: bytes | None = None
) -> Iterator[VersionRow]:
    """All paths of a snapshot with low <= key < high, sorted by key."""
    cursor = cat.conn.execute(
        f"SELECT {_VERSION} FROM path p CROSS JOIN version v ON v.path_id = p.id "
        "WHERE p.job_id = ?1 AND p.key >= ?3 AND (?4 IS NULL OR p.key < ?4) "
        "AND v.first <= ?2 AND (v.until IS NULL OR v.until > ?2) ORDER BY p.key",
        (job_id, snapshot_id, low, high),
    )
    while rows := cursor.fetchmany(CHUNK):
        yield from map(VersionRow._make, rows)


def path_key(cat: Catalog, path_id: int) -> bytes:
    return bytes(cat.conn.execute("SELECT key FROM path WHERE id = ?", (path_id,)).fetchone()[0])


def open_version(cat: Catalog, job_id: int, key: bytes) -> VersionRow | None:
    row = cat.conn.execute(
        f"SELECT {_VERSION} FROM path p JOIN version v ON v.path_id = p.id AND v.until IS NULL "
        "WHERE p.job_id = ? AND p.key = ?",
        (job_id, key),
    ).fetchone()
    return VersionRow(*row) if row else None


def sizes(cat: Catalog, store_id: int) -> set[int]:
    """The sizes of contents, without pieces: hashing is only useful for files of these sizes."""
    rows = cat.conn.execute(
        "SELECT DISTINCT size FROM content WHERE store_id = ? AND blake3 IS NOT NULL "
        "AND (layout > 0 OR md5 IS NOT NULL)",
        (store_id,),
    )
    return {row[0] for row in rows}


def has_contents(cat: Catalog, store_id: int) -> bool:
    """Whether anything is stored at all."""
    return cat.conn.execute("SELECT 1 FROM content WHERE store_id = ? LIMIT 1", (store_id,)).fetchone() is not None


def uncut_sizes(cat: Catalog, store_id: int, small: int) -> frozenset[int]:
    """Sizes from `small` on of contents that are in the bucket in one piece, or in stretches of suite 1: with these, a
    file that was only touched is recognised before it is cut."""
    rows = cat.conn.execute(
        "SELECT DISTINCT size FROM content WHERE store_id = ? AND size >= ? AND blake3 IS NOT NULL AND layout < 3 "
        "AND (layout > 0 OR md5 IS NOT NULL)",
        (store_id, small),
    )
    return frozenset(size for (size,) in rows)


def find_content(cat: Catalog, store_id: int, digests: Digests) -> int | None:
    """The content with this size and BLAKE3 that a new version may refer to: one that can be read from the bucket."""
    return usable_contents(cat, store_id, [digests]).get(digests[:2])


def known_content(cat: Catalog, store_id: int, digests: Digests) -> int | None:
    """The content with this size and BLAKE3, lost or not, which an upload of these bytes repairs."""
    return content_ids(cat, store_id, [digests]).get(digests[:2])


def content(cat: Catalog, content_id: int) -> ContentRow:
    return ContentRow(
        *cat.conn.execute(
            f"SELECT id, size, blake3, md5, {FORMAT}, layout, list FROM content WHERE id = ?", (content_id,)
        ).fetchone()
    )


FORMAT = "CASE layout WHEN 1 THEN 'legacy' ELSE 'container' END"
"""The format of a content's bytes, as SQL."""
_EXTENTS = (
    "SELECT object_id, offset, coalesce(size, 0) FROM content WHERE id = ? AND layout < 2",
    "SELECT object_id, offset, length FROM stretch WHERE content_id = ? ORDER BY seq",
    "SELECT p.object_id, p.offset, p.size FROM extent e JOIN content p ON p.id = e.piece_id "
    "WHERE e.content_id = ? ORDER BY e.at",
)


def extents(cat: Catalog, content_id: int) -> list[Extent]:
    """Where a content's bytes are, in order; the holes of a composed one are nowhere."""
    for statement in _EXTENTS:
        if rows := cat.conn.execute(statement, (content_id,)).fetchall():
            return [Extent(*row) for row in rows]
    return []


_OBJECT = "name, size, plain, checksum, etag, parts, header, segments, tier, created_ns, id, state, told"


def get_object(cat: Catalog, object_id: int) -> ObjectRow:
    return ObjectRow(*cat.conn.execute(f"SELECT {_OBJECT} FROM object WHERE id = ?", (object_id,)).fetchone())


def object_named(cat: Catalog, store_id: int, name: str) -> ObjectRow | None:
    row = cat.conn.execute(
        f"SELECT {_OBJECT} FROM object WHERE store_id = ? AND name = ?",
        (store_id, name),
    ).fetchone()
    return ObjectRow(*row) if row else None


def object_ids(cat: Catalog, store_id: int, names: Iterable[str]) -> list[int]:
    """Ids of the objects with these names, if the catalog has them."""
    rows = cat.conn.execute(
        "SELECT id FROM object WHERE store_id = ? AND name IN (SELECT value FROM json_each(?))",
        (store_id, json.dumps(list(names))),
    )
    return [row[0] for row in rows]


def objects(cat: Catalog, store_id: int) -> Iterator[ObjectRow]:
    """All objects of a store, sorted by name."""
    cursor = cat.conn.execute(f"SELECT {_OBJECT} FROM object WHERE store_id = ? ORDER BY name", (store_id,))
    while rows := cursor.fetchmany(200):
        yield from (ObjectRow(*row) for row in rows)


def names_outside(cat: Catalog, store_id: int, prefix: str) -> list[str]:
    """Objects whose names do not start with the prefix: those imported from another tool."""
    rows = cat.conn.execute(
        "SELECT name FROM object WHERE store_id = ? AND substr(name, 1, ?) != ?", (store_id, len(prefix), prefix)
    )
    return [row[0] for row in rows]


def contents_in(cat: Catalog, object_ids: Iterable[int]) -> list[tuple[int, int]]:
    """(content id, object id) of all contents that need one of these objects: those that are in it and those composed
    of such. Reads the whole catalog."""
    wanted = list(object_ids)
    if not wanted:
        return []
    held = cat.conn.execute(
        "WITH wanted (id) AS (SELECT value FROM json_each(?)), "
        "held (content_id, object_id) AS (SELECT id, object_id FROM content WHERE object_id IN wanted AND layout < 2 "
        "UNION SELECT s.content_id, s.object_id FROM stretch s WHERE s.object_id IN wanted) "
        "SELECT content_id, object_id FROM held "
        "UNION SELECT e.content_id, h.object_id FROM extent e JOIN held h ON h.content_id = e.piece_id ORDER BY 1",
        (json.dumps(wanted),),
    )
    return held.fetchall()


def count_files(cat: Catalog, job_id: int, root: bytes, *, outputs: bool = True) -> int:
    """How many files and symlinks a job has now at or below a key; without `outputs`, not those of programs."""
    stem = root.rstrip(b"/")
    low, high = (stem + b"/", stem + b"0") if stem else (b"", None)
    row = cat.conn.execute(
        "SELECT count(*) FROM path p JOIN version v ON v.path_id = p.id AND v.until IS NULL "
        "WHERE p.job_id = ?1 AND v.kind != 1 AND (p.key = ?2 OR (p.key >= ?3 AND (?4 IS NULL OR p.key < ?4))) "
        "AND NOT v.flags & ?5",
        (job_id, stem, low, high, 0 if outputs else Flag.OUTPUT),
    ).fetchone()
    return int(row[0])


def has_md5_only(cat: Catalog, store_id: int) -> bool:
    """Whether some contents are known only by their MD5."""
    row = cat.conn.execute(
        "SELECT 1 FROM content WHERE store_id = ? AND blake3 IS NULL LIMIT 1", (store_id,)
    ).fetchone()
    return row is not None


def has_imports(cat: Catalog, store_id: int) -> bool:
    """Whether some contents are in another tool's format: then their objects are outside the lineage."""
    # There are far fewer objects than contents, and this reads only the index of their names.
    row = cat.conn.execute(
        "SELECT 1 FROM object o JOIN store s ON s.id = o.store_id WHERE s.id = ? "
        "AND substr(o.name, 1, 33) != s.lineage || '/' LIMIT 1",
        (store_id,),
    ).fetchone()
    return row is not None


def usable(cat: Catalog, content_id: int, size: int) -> bool:
    """Whether a version of that size may refer to this content: it is readable and not about to be deleted."""
    statement = f"SELECT 1 FROM content c WHERE c.id = ? AND coalesce(c.size, ?2) = ?2 {USABLE}"
    return cat.conn.execute(statement, (content_id, size)).fetchone() is not None


def recognise(cat: Catalog, store_id: int, content_id: int, digests: Digests) -> None:
    """A file that was read may reveal the digests of an imported content, if their MD5s are equal."""
    row = cat.conn.execute("SELECT md5 FROM content WHERE id = ? AND blake3 IS NULL", (content_id,)).fetchone()
    if row and row[0] == digests.md5:
        learn_digest(cat, store_id, content_id, digests)


def learn_digest(cat: Catalog, store_id: int, content_id: int, digests: Digests) -> None:
    """Fill in size and BLAKE3 of a content that was imported with only its MD5.

    Not done if another content has them: equal files that were stored again before the import."""
    if not content_ids(cat, store_id, [digests]):
        cat.conn.execute(
            "UPDATE content SET size = ?, blake3 = ? WHERE id = ? AND blake3 IS NULL",
            (digests.size, digests.blake3, content_id),
        )
