"""Paths that go out of the whole history. Planning notes them in a temporary table, `erased`; `erase` deletes them.

Whatever else is needed is worked out by `retirement`, which does not count the versions of noted paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .database import Catalog

_CONTENTS = (
    "SELECT v.content_id FROM version v WHERE v.content_id IS NOT NULL AND v.path_id IN (SELECT id FROM temp.erased)"
)
_DEAD = (
    f"SELECT id FROM (SELECT content_id AS id FROM ({_CONTENTS}) UNION "
    f"SELECT e.piece_id FROM extent e WHERE e.content_id IN ({_CONTENTS})) WHERE id NOT IN (SELECT id FROM temp.living)"
)


class Erased(NamedTuple):
    """A path with all of its versions: the newest one's kind, size in bytes and mtime; first and last snapshot id."""

    key: bytes
    kind: int
    size: int
    mtime_ns: int
    versions: int
    first: int
    until: int | None


def ensure(cat: Catalog) -> None:
    """Make the table, if there is none."""
    cat.conn.execute("CREATE TEMP TABLE IF NOT EXISTS erased (id INTEGER PRIMARY KEY)")


def start(cat: Catalog) -> None:
    """Make the table, empty."""
    ensure(cat)
    cat.conn.execute("DELETE FROM temp.erased")


def any_noted(cat: Catalog) -> bool:
    """Whether any path is noted."""
    ensure(cat)
    return cat.conn.execute("SELECT 1 FROM temp.erased LIMIT 1").fetchone() is not None


def note_matching(cat: Catalog, job_id: int, matches: Callable[[bytes], bool]) -> int:
    """Note all paths of the job for whose key `matches` is true, and that have a version. Returns how many."""
    cat.conn.create_function("erasing_matches", 1, matches)
    cursor = cat.conn.execute(
        "INSERT OR IGNORE INTO temp.erased SELECT p.id FROM path p WHERE p.job_id = ? AND erasing_matches(p.key) "
        "AND EXISTS (SELECT 1 FROM version v WHERE v.path_id = p.id)",
        (job_id,),
    )
    return cursor.rowcount


def note_keys(cat: Catalog, job_id: int, keys: Iterable[bytes]) -> None:
    """Note just these paths."""
    cat.conn.executemany(
        "INSERT OR IGNORE INTO temp.erased SELECT id FROM path WHERE job_id = ? AND key = ?",
        ((job_id, key) for key in keys),
    )


def has_path(cat: Catalog, job_id: int, key: bytes) -> bool:
    """Whether any snapshot has this path, or anything in a folder of this name; `key` without trailing slash."""
    statement = (
        "SELECT 1 FROM path p WHERE p.job_id = ?1 AND (p.key = ?2 OR (p.key >= ?3 AND p.key < ?4)) "
        "AND EXISTS (SELECT 1 FROM version v WHERE v.path_id = p.id) LIMIT 1"
    )
    return cat.conn.execute(statement, (job_id, key, key + b"/", key + b"0")).fetchone() is not None


def noted(cat: Catalog) -> Iterator[Erased]:
    """What is noted, by path."""
    rows = cat.conn.execute(
        "SELECT p.key, v.kind, CASE v.kind WHEN 1 THEN 0 ELSE v.size END, v.mtime_ns, a.number, a.low, "
        "v.until FROM temp.erased t JOIN path p ON p.id = t.id "
        "JOIN (SELECT path_id, count(*) AS number, min(first) AS low, max(first) AS high FROM version "
        "WHERE path_id IN (SELECT id FROM temp.erased) GROUP BY path_id) a ON a.path_id = p.id "
        "JOIN version v ON v.path_id = p.id AND v.first = a.high ORDER BY p.key"
    )
    for row in rows.fetchall():
        yield Erased(bytes(row[0]), *row[1:])


def objects_to_rewrite(cat: Catalog, store_id: int) -> set[str]:
    """Names of the objects that hold bytes or lists of pieces which only noted paths needed; after
    `retirement.find_living`."""
    rows = cat.conn.execute(
        f"SELECT name FROM object WHERE store_id = ? AND id IN (SELECT object_id FROM content WHERE id IN ({_DEAD}) "
        f"UNION SELECT object_id FROM stretch WHERE content_id IN ({_DEAD}))",
        (store_id,),
    )
    return {row[0] for row in rows}


def kept_elsewhere(cat: Catalog, limit: int) -> list[bytes]:
    """Other paths, of any job, with the same content as a noted one, sorted."""
    rows = cat.conn.execute(
        "SELECT DISTINCT p.key FROM version v JOIN path p ON p.id = v.path_id "
        f"WHERE v.content_id IN ({_CONTENTS}) AND v.size > 0 AND p.id NOT IN (SELECT id FROM temp.erased) "
        "ORDER BY p.key LIMIT ?",
        (limit,),
    )
    return [bytes(row[0]) for row in rows]


def erase(cat: Catalog) -> int:
    """Delete the noted paths with all their versions. Returns the number of paths. Callers hold a transaction.

    Hard links to a path that goes get the first of them as their leader."""
    run = cat.conn.execute
    which = "IN (SELECT id FROM temp.erased)"
    (number,) = run("SELECT count(*) FROM temp.erased").fetchone()
    run(
        "UPDATE content SET pinned = 0 WHERE pinned = 1 AND id IN "
        f"({_CONTENTS}) AND id NOT IN (SELECT content_id FROM version WHERE content_id IS NOT NULL "
        f"AND path_id NOT {which})"
    )
    orphans: dict[int, list[int]] = {}
    statement = (
        "SELECT DISTINCT v.leader, v.path_id, p.key FROM version v JOIN path p ON p.id = v.path_id "
        f"WHERE v.leader {which} AND v.path_id NOT {which} ORDER BY v.leader, p.key"
    )
    for leader, path_id, _ in run(statement).fetchall():
        orphans.setdefault(leader, []).append(path_id)
    for leader, paths in orphans.items():
        run("UPDATE version SET leader = ? WHERE leader = ? AND path_id != ?", (paths[0], leader, paths[0]))
        run("UPDATE version SET leader = NULL WHERE leader = ? AND path_id = ?", (leader, paths[0]))
    run(f"DELETE FROM version WHERE path_id {which}")
    run(f"DELETE FROM held WHERE path_id {which}")
    run(f"DELETE FROM path WHERE id {which}")
    return int(number)
