"""What verify asks of the catalog and writes back: which contents lie in an object, who needs them, and its state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from .database import Catalog


class StretchRow(NamedTuple):
    """A content, or a stretch of one, in an object; lengths in bytes. `spread`: it has other extents as well."""

    content_id: int
    offset: int
    length: int
    size: int | None
    blake3: bytes | None
    md5: bytes | None
    format: str
    spread: int


class Need(NamedTuple):
    """A path that needs a content: its job, the newest snapshot with it, and how many have it."""

    key: bytes
    job: str
    newest: int
    snapshots: int
    content_id: int


def object_sizes(cat: Catalog, store_id: int) -> dict[int, int]:
    """All objects of a store: their sizes in bytes, by id."""
    return dict(cat.conn.execute("SELECT id, size FROM object WHERE store_id = ? ORDER BY name", (store_id,)))


def stretches(cat: Catalog, object_id: int) -> list[StretchRow]:
    """What the catalog says lies in an object, by offset."""
    rows = cat.conn.execute(
        "SELECT e.content_id, e.offset, e.length, t.size, t.blake3, t.md5, t.format, "
        "EXISTS (SELECT 1 FROM extent x WHERE x.content_id = e.content_id AND x.seq != e.seq) "
        "FROM extent e JOIN content t ON t.id = e.content_id WHERE e.object_id = ? ORDER BY e.offset, e.content_id",
        (object_id,),
    )
    return [StretchRow(*row) for row in rows]


def spread_contents(cat: Catalog, store_id: int) -> list[int]:
    """Contents that lie in more than one extent, but for those that are about to go."""
    rows = cat.conn.execute(
        "SELECT DISTINCT t.id FROM content t JOIN extent e ON e.content_id = t.id AND e.seq = 1 "
        "WHERE t.store_id = ? AND t.marked = 0",
        (store_id,),
    )
    return [row[0] for row in rows]


def needs(cat: Catalog, content_ids: Iterable[int]) -> Iterator[Need]:
    """Every path, of any job and snapshot, that needs one of these contents, sorted by key."""
    run = cat.conn.execute
    run("DROP TABLE IF EXISTS temp.lost")
    run("CREATE TEMP TABLE lost (content_id INTEGER PRIMARY KEY)")
    cat.conn.executemany("INSERT OR IGNORE INTO lost VALUES (?)", ((one,) for one in content_ids))
    rows = run(
        "SELECT p.key, j.name, max(s.id), count(*), v.content_id FROM lost CROSS JOIN version v "
        "ON v.content_id = lost.content_id JOIN path p ON p.id = v.path_id JOIN job j ON j.id = p.job_id "
        "JOIN snapshot s ON s.job_id = j.id AND s.id >= v.first AND (v.until IS NULL OR s.id < v.until) "
        "GROUP BY p.id, v.content_id ORDER BY p.key"
    ).fetchall()
    run("DROP TABLE temp.lost")
    return map(Need._make, rows)


def set_states(cat: Catalog, states: Mapping[int, str]) -> None:
    """Write what was found of objects, by id. Those marked for deletion stay so. The caller holds a transaction."""
    cat.conn.executemany(
        "UPDATE object SET state = ? WHERE id = ? AND state NOT IN ('marked', ?)",
        [(state, object_id, state) for object_id, state in states.items()],
    )
