"""Lists for the one-shot commands: files, contents and duplicates, with their stable ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from . import history
from .database import Catalog


class ListedFile(NamedTuple):
    """A file that a job has now. Size in bytes, times in nanoseconds, `md5` 16 raw bytes."""

    id: int
    job: str
    key: bytes
    size: int
    mtime_ns: int
    content_id: int
    md5: bytes | None
    held: int


class ListedContent(NamedTuple):
    """A content and where it is. `names` are objects, `checksum` the service's of the first of them."""

    id: int
    names: str
    size: int | None
    md5: bytes | None
    checksum: str | None
    format: str
    files: int


class KnownPath(NamedTuple):
    """The path for an id: its job, key, and a snapshot that has it (None: the newest)."""

    job: str
    key: bytes
    snapshot_id: int | None


def files(cat: Catalog, store_id: int) -> Iterator[ListedFile]:
    """All files of all jobs of a store as they are now, by id."""
    rows = cat.conn.execute(
        "SELECT p.id, j.name, p.key, v.size, v.mtime_ns, v.content_id, c.md5, h.path_id IS NOT NULL "
        "FROM path p JOIN job j ON j.id = p.job_id JOIN version v ON v.path_id = p.id AND v.until IS NULL "
        "JOIN content c ON c.id = v.content_id LEFT JOIN held h ON h.path_id = p.id "
        "WHERE j.store_id = ? AND v.kind = 0 ORDER BY p.id",
        (store_id,),
    )
    return map(ListedFile._make, rows)


def contents(cat: Catalog, store_id: int) -> Iterator[ListedContent]:
    """All contents of a store except pieces, by id, with the number of current files with this content."""
    rows = cat.conn.execute(
        "WITH now (content_id, files) AS (SELECT content_id, count(*) FROM version WHERE until IS NULL AND kind = 0 "
        "GROUP BY content_id) "
        f"SELECT c.id, CASE WHEN c.layout < 2 THEN o.name ELSE {_SEVERAL.format('name')} END, c.size, c.md5, "
        f"CASE WHEN c.layout < 2 THEN o.checksum ELSE {_SEVERAL.format('checksum')} END, "
        "CASE c.layout WHEN 1 THEN 'legacy' ELSE 'container' END, coalesce(n.files, 0) "
        "FROM content c LEFT JOIN object o ON o.id = c.object_id LEFT JOIN now n ON n.content_id = c.id "
        "WHERE c.store_id = ? AND c.marked = 0 AND (c.layout > 0 OR c.md5 IS NOT NULL) ORDER BY c.id",
        (store_id,),
    )
    for row in rows:
        checksum = row[4].split(" ", 1)[0] if row[4] is not None else None
        yield ListedContent(row[0], row[1] or "", row[2], row[3], checksum, row[5], row[6])


_SEVERAL = (
    "(SELECT group_concat({0}, ' ') FROM (SELECT o.{0}, min(s.seq) FROM stretch s JOIN object o ON o.id = s.object_id "
    "WHERE s.content_id = c.id GROUP BY o.id UNION ALL SELECT o.{0}, min(e.at) FROM extent e "
    "JOIN content p ON p.id = e.piece_id JOIN object o ON o.id = p.object_id WHERE e.content_id = c.id GROUP BY o.id "
    "ORDER BY 2))"
)


def duplicates(cat: Catalog, store_id: int) -> Iterator[ListedFile]:
    """Files with the same content as another file, by content."""
    rows = cat.conn.execute(
        "SELECT p.id, j.name, p.key, v.size, v.mtime_ns, v.content_id, c.md5, 0 FROM version v "
        "JOIN path p ON p.id = v.path_id JOIN job j ON j.id = p.job_id JOIN content c ON c.id = v.content_id "
        "WHERE j.store_id = ? AND v.until IS NULL AND v.kind = 0 AND v.content_id IN (SELECT content_id FROM version "
        "WHERE until IS NULL AND kind = 0 GROUP BY content_id HAVING count(*) > 1) ORDER BY v.content_id, p.id",
        (store_id,),
    )
    return map(ListedFile._make, rows)


def path_of(cat: Catalog, store_id: int, path_id: int) -> KnownPath | None:
    """The path for an id from the list; a removed path is found in the last snapshot that had it."""
    if not 0 < path_id < 1 << 63:
        return None
    row = cat.conn.execute(
        "SELECT j.name, p.key, v.until, (SELECT max(s.id) FROM snapshot s WHERE s.job_id = j.id AND s.id >= v.first "
        "AND s.id < v.until) FROM path p JOIN job j ON j.id = p.job_id JOIN version v ON v.path_id = p.id "
        "WHERE j.store_id = ? AND p.id = ? AND v.kind = 0 ORDER BY v.first DESC LIMIT 1",
        (store_id, path_id),
    ).fetchone()
    if row is None:
        return None
    return KnownPath(row[0], bytes(row[1]), None if row[2] is None else row[3])


def in_the_way(cat: Catalog, job_id: int, key: bytes) -> bytes | None:
    """The stored path that a file of this key cannot be beside: a file above it, or a folder of its name (which may be
    known only from what is in it). None if there is none."""
    for at in (at for at, byte in enumerate(key) if byte == ord("/")):
        if history.open_version(cat, job_id, key[:at]) is not None:
            return key[:at]
    folder = key + b"/"
    here = history.open_version(cat, job_id, key) is not None
    below = history.count_files(cat, job_id, key) - here
    return folder if below or history.open_version(cat, job_id, folder) is not None else None
