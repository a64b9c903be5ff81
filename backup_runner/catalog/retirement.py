"""What expiring snapshots would free, and taking it out. Planning only reads: it works in temporary tables.

A version dies when no snapshot of its job that is kept lies in [first, until). A content is dead when no version
refers to it, an object when it holds no content that lives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from ..records import Extent
from .database import Catalog


class Worth(NamedTuple):
    """An object with its live and its whole plaintext bytes."""

    object_id: int
    name: str
    size: int
    plain: int
    live: int
    tier: str
    created_ns: int
    state: str


_DEAD = (
    "SELECT v.id FROM version v CROSS JOIN path p ON p.id = v.path_id WHERE p.job_id = ? AND v.until IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM temp.kept k WHERE k.id >= v.first AND k.id < v.until)"
)


def _keep(cat: Catalog, job_id: int, forget: Collection[int]) -> None:
    run = cat.conn.execute
    run("CREATE TEMP TABLE IF NOT EXISTS kept (id INTEGER PRIMARY KEY)")
    run("DELETE FROM temp.kept")
    run("INSERT INTO temp.kept SELECT id FROM snapshot WHERE job_id = ?", (job_id,))
    cat.conn.executemany("DELETE FROM temp.kept WHERE id = ?", [(snapshot_id,) for snapshot_id in forget])


def worths(
    cat: Catalog, store_id: int, job_id: int, forget: Collection[int], *, imported: bool = True
) -> Iterator[Worth]:
    """What each object of the store would still be worth without the snapshots in `forget`, sorted by name.

    `imported`: contents that no version ever had live, if they came from another tool."""
    find_living(cat, job_id, forget)
    if not imported:
        cat.conn.execute(
            "DELETE FROM temp.living WHERE id IN (SELECT id FROM content c WHERE pinned = 1 "
            "AND NOT EXISTS (SELECT 1 FROM version v WHERE v.content_id = c.id))"
        )
    yield from _worths(cat, store_id)


def find_living(cat: Catalog, job_id: int, forget: Collection[int]) -> None:
    """Note in a temporary table which contents would still be needed without these snapshots."""
    run = cat.conn.execute
    _keep(cat, job_id, forget)
    run("CREATE TEMP TABLE IF NOT EXISTS living (id INTEGER PRIMARY KEY)")
    run("DELETE FROM temp.living")
    run(
        "INSERT OR IGNORE INTO temp.living SELECT content_id FROM version WHERE content_id IS NOT NULL "
        f"AND id NOT IN ({_DEAD})",
        (job_id,),
    )
    run(
        "INSERT OR IGNORE INTO temp.living SELECT id FROM content WHERE format = 'legacy' AND marked = 0 AND pinned = 1"
    )


def freed_bytes(cat: Catalog, store_id: int) -> tuple[int, int]:
    """Of the bytes that versions need now, those that `find_living` did not find needed any more; and all of them."""
    row = cat.conn.execute(
        "SELECT coalesce(sum(size) FILTER (WHERE id NOT IN (SELECT id FROM temp.living)), 0), coalesce(sum(size), 0) "
        "FROM content c WHERE store_id = ? AND EXISTS (SELECT 1 FROM version v WHERE v.content_id = c.id)",
        (store_id,),
    ).fetchone()
    return int(row[0]), int(row[1])


def _worths(cat: Catalog, store_id: int) -> Iterator[Worth]:
    rows = cat.conn.execute(
        "SELECT o.id, o.name, o.size, o.plain, coalesce(sum(e.length) FILTER (WHERE l.id IS NOT NULL), 0), o.tier, "
        "o.created_ns, o.state, count(l.id) FROM object o LEFT JOIN extent e ON e.object_id = o.id "
        "LEFT JOIN temp.living l ON l.id = e.content_id WHERE o.store_id = ?1 "
        "AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.object_id = o.id) GROUP BY o.id ORDER BY o.name",
        (store_id,),
    )
    for *fields, living in rows.fetchall():
        worth = Worth(*fields)
        # A pack may hold nothing but empty files that live: it is worth something though it has no live byte.
        yield worth._replace(live=max(worth.live, 1)) if living else worth


def frees(cat: Catalog, job_id: int, forget: Collection[int]) -> bool:
    """Whether any version would go with these snapshots: without, nothing that is stored loses its use."""
    _keep(cat, job_id, forget)
    return cat.conn.execute(f"{_DEAD} LIMIT 1", (job_id,)).fetchone() is not None


def forget(cat: Catalog, job_id: int, snapshots: Collection[int]) -> None:
    """Take out snapshots, the versions that only they had, and paths that then have none."""
    run = cat.conn.execute
    _keep(cat, job_id, snapshots)
    cat.conn.executemany("DELETE FROM snapshot WHERE id = ?", [(snapshot_id,) for snapshot_id in snapshots])
    paths = run(f"DELETE FROM version WHERE id IN ({_DEAD}) RETURNING path_id, leader", (job_id,)).fetchall()
    candidates = {path_id for row in paths for path_id in row if path_id is not None}
    cat.conn.executemany(
        "DELETE FROM path WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM version v WHERE v.path_id = path.id) "
        "AND NOT EXISTS (SELECT 1 FROM version v WHERE v.leader = path.id) "
        "AND NOT EXISTS (SELECT 1 FROM held h WHERE h.path_id = path.id)",
        [(path_id,) for path_id in sorted(candidates)],
    )


def is_needed(cat: Catalog, object_id: int) -> bool:
    """Whether some version refers to a content that lies in this object."""
    row = cat.conn.execute(
        "SELECT 1 FROM extent e WHERE e.object_id = ?1 AND (EXISTS (SELECT 1 FROM version v WHERE v.content_id = "
        "e.content_id) OR EXISTS (SELECT 1 FROM content c WHERE c.id = e.content_id AND c.pinned = 1)) "
        "UNION ALL SELECT 1 FROM upload WHERE object_id = ?1 LIMIT 1",
        (object_id,),
    ).fetchone()
    return row is not None


def unpin(cat: Catalog, store_id: int) -> None:
    """Contents that no version needs are no longer kept for having been imported."""
    cat.conn.execute("UPDATE content SET pinned = 0 WHERE store_id = ? AND pinned = 1", (store_id,))


def mark(cat: Catalog, object_id: int) -> None:
    """The object is about to be deleted: nothing may refer to it or to its contents any more."""
    cat.conn.execute("UPDATE object SET state = 'marked' WHERE id = ?", (object_id,))
    cat.conn.execute(
        "UPDATE content SET marked = 1 WHERE id IN (SELECT content_id FROM extent WHERE object_id = ?)", (object_id,)
    )


def marked(cat: Catalog, store_id: int) -> list[tuple[int, str, int]]:
    """(id, name, size) of objects whose deletion was begun."""
    return cat.conn.execute(
        "SELECT id, name, size FROM object WHERE store_id = ? AND state = 'marked' ORDER BY name", (store_id,)
    ).fetchall()


def unmark(cat: Catalog, object_id: int, state: str) -> None:
    """The object stays after all, as it was, because the bucket does not let it go. Its contents can be used again, but
    for those that also lie in an object that is still about to go."""
    cat.conn.execute("UPDATE object SET state = ? WHERE id = ?", (state, object_id))
    cat.conn.execute(
        "UPDATE content SET marked = 0 WHERE id IN (SELECT content_id FROM extent WHERE object_id = ?) AND NOT EXISTS "
        "(SELECT 1 FROM extent e JOIN object o ON o.id = e.object_id WHERE e.content_id = content.id "
        "AND o.state = 'marked')",
        (object_id,),
    )


def drop_object(cat: Catalog, object_id: int) -> None:
    """The object is gone from the bucket; so are the contents that lay in it."""
    run = cat.conn.execute
    run("DELETE FROM content WHERE id IN (SELECT content_id FROM extent WHERE object_id = ?)", (object_id,))
    run("DELETE FROM object WHERE id = ?", (object_id,))


def living_contents(cat: Catalog, object_id: int) -> list[tuple[int, int, bytes, bytes, Extent]]:
    """(id, size, BLAKE3, MD5, extent) of the contents of an object that `find_living` found."""
    rows = cat.conn.execute(
        "SELECT c.id, c.size, c.blake3, c.md5, e.object_id, e.offset, e.length FROM extent e JOIN content c "
        "ON c.id = e.content_id JOIN temp.living l ON l.id = c.id WHERE e.object_id = ? ORDER BY e.offset",
        (object_id,),
    )
    return [(row[0], row[1], row[2], row[3], Extent(*row[4:])) for row in rows]


def example_path(cat: Catalog, content_id: int) -> tuple[bytes, int, int]:
    """A path that has this content, with its mode and mtime."""
    row = cat.conn.execute(
        "SELECT p.key, v.mode, v.mtime_ns FROM version v JOIN path p ON p.id = v.path_id WHERE v.content_id = ? "
        "ORDER BY v.id DESC LIMIT 1",
        (content_id,),
    ).fetchone()
    return (bytes(row[0]), row[1], row[2])


def holders(cat: Catalog, content_id: int) -> list[tuple[bytes, int, int, str]]:
    """(key, first snapshot, last snapshot, job) of the versions that have this content."""
    return cat.conn.execute(
        "SELECT p.key, v.first, coalesce(v.until - 1, (SELECT max(s.id) FROM snapshot s WHERE s.job_id = p.job_id)), "
        "j.name FROM version v JOIN path p ON p.id = v.path_id JOIN job j ON j.id = p.job_id "
        "WHERE v.content_id = ? ORDER BY p.key, v.first",
        (content_id,),
    ).fetchall()
