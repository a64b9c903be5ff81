"""What expiring snapshots would free, and deleting it. Planning only reads: it uses temporary tables.

A version is dead if no kept snapshot of its job is in [first, until), or if its path is to be erased. A
content is dead if no version refers to it, directly or, for a piece, through a composed content; an object is dead if
all its contents are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from ..records import Extent
from . import erasing
from .database import Catalog
from .places import Places


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
    "FROM version v CROSS JOIN path p ON p.id = v.path_id WHERE v.until IS NOT NULL AND p.job_id = ? "
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
    """The live bytes of each object of the store without the snapshots in `forget`, sorted by name.

    `imported`: contents that no version ever had live, if they came from another tool."""
    find_living(cat, job_id, forget)
    if not imported:
        cat.conn.execute(
            "DELETE FROM temp.living WHERE id IN (SELECT id FROM content WHERE pinned = 1) "
            "AND id NOT IN (SELECT content_id FROM version WHERE content_id IS NOT NULL)"
        )
    yield from living_worths(cat, store_id)


def find_living(cat: Catalog, job_id: int, forget: Collection[int]) -> None:
    """Note in a temporary table which contents would still be needed without these snapshots, each with a version."""
    _keep(cat, job_id, forget)
    _fill_living(
        cat,
        "AND v.path_id NOT IN (SELECT id FROM temp.erased) "
        "AND (v.until IS NULL OR (SELECT job_id FROM path WHERE id = v.path_id) != ?1 "
        "OR EXISTS (SELECT 1 FROM temp.kept k WHERE k.id >= v.first AND k.id < v.until))",
        job_id,
    )


def _fill_living(cat: Catalog, condition: str, *values: object) -> None:
    run = cat.conn.execute
    run("CREATE TEMP TABLE IF NOT EXISTS living (id INTEGER PRIMARY KEY, path_id INTEGER, first INTEGER)")
    run("DELETE FROM temp.living")
    erasing.ensure(cat)
    run(
        "INSERT OR REPLACE INTO temp.living SELECT v.content_id, v.path_id, v.first FROM version v "
        f"WHERE v.content_id IS NOT NULL {condition}",
        values,
    )
    run(
        "INSERT OR IGNORE INTO temp.living SELECT id, NULL, NULL FROM content "
        "WHERE layout = 1 AND marked = 0 AND pinned = 1 AND id NOT IN (SELECT content_id FROM version "
        "WHERE content_id IS NOT NULL AND path_id IN (SELECT id FROM temp.erased))"
    )
    run(
        "INSERT OR IGNORE INTO temp.living SELECT e.piece_id, NULL, NULL FROM extent e "
        "JOIN temp.living l ON l.id = e.content_id"
    )


def freed_bytes(cat: Catalog, store_id: int) -> tuple[int, int]:
    """Of the bytes that versions need now, those that `find_living` did not find needed any more; and all of them."""
    row = cat.conn.execute(
        "SELECT coalesce(sum(size) FILTER (WHERE id NOT IN (SELECT id FROM temp.living)), 0), coalesce(sum(size), 0) "
        "FROM content WHERE store_id = ? AND id IN (SELECT content_id FROM version WHERE content_id IS NOT NULL)",
        (store_id,),
    ).fetchone()
    return int(row[0]), int(row[1])


def living_worths(cat: Catalog, store_id: int) -> Iterator[Worth]:
    """All objects of the store with what `find_living` found in them, sorted by name."""
    rows = cat.conn.execute(
        "WITH held (object_id, length) AS "
        "(SELECT c.object_id, CASE c.layout WHEN 3 THEN 0 ELSE coalesce(c.size, 0) END FROM temp.living l "
        "JOIN content c ON c.id = l.id WHERE c.object_id IS NOT NULL UNION ALL SELECT s.object_id, s.length "
        "FROM temp.living l JOIN stretch s ON s.content_id = l.id), "
        "worth (object_id, live, contents) AS (SELECT object_id, sum(length), count(*) FROM held GROUP BY object_id) "
        "SELECT o.id, o.name, o.size, o.plain, coalesce(w.live, 0), o.tier, o.created_ns, o.state, w.contents "
        "FROM object o LEFT JOIN worth w ON w.object_id = o.id WHERE o.store_id = ?1 "
        "ORDER BY o.name",
        (store_id,),
    )
    for *fields, living in rows.fetchall():
        worth = Worth(*fields)
        # A pack may contain nothing but empty files, or lists of pieces: it is worth something without a live byte.
        yield worth._replace(live=max(worth.live, 1)) if living else worth


def frees(cat: Catalog, job_id: int, forget: Collection[int]) -> bool:
    """Whether any version would be deleted with these snapshots; otherwise, nothing becomes unneeded."""
    _keep(cat, job_id, forget)
    if erasing.any_noted(cat):
        return True
    return cat.conn.execute(f"SELECT 1 {_DEAD} LIMIT 1", (job_id,)).fetchone() is not None


def forget(cat: Catalog, job_id: int, snapshots: Collection[int]) -> None:
    """Remove snapshots, the versions that only they had, and paths that then have none."""
    run = cat.conn.execute
    _keep(cat, job_id, snapshots)
    cat.conn.executemany("DELETE FROM snapshot WHERE id = ?", [(snapshot_id,) for snapshot_id in snapshots])
    dead = run(f"SELECT v.path_id, v.first, v.leader {_DEAD}", (job_id,)).fetchall()
    cat.conn.executemany("DELETE FROM version WHERE path_id = ? AND first = ?", [row[:2] for row in dead])
    candidates = {row[0] for row in dead} | {row[2] for row in dead if row[2] is not None}
    leaders = {row[0] for row in run("SELECT DISTINCT leader FROM version WHERE leader IS NOT NULL")}
    cat.conn.executemany(
        "DELETE FROM path WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM version v WHERE v.path_id = path.id) "
        "AND NOT EXISTS (SELECT 1 FROM held h WHERE h.path_id = path.id)",
        [(path_id,) for path_id in sorted(candidates - leaders)],
    )


def needed(cat: Catalog) -> set[int]:
    """Ids of the objects that some version, or a content that is kept for having been imported, needs now."""
    _fill_living(cat, "")
    rows = cat.conn.execute(
        "SELECT c.object_id FROM temp.living l JOIN content c ON c.id = l.id WHERE c.object_id IS NOT NULL "
        "UNION SELECT s.object_id FROM temp.living l JOIN stretch s ON s.content_id = l.id"
    )
    return {row[0] for row in rows}


def drop_dead_composed(cat: Catalog, store_id: int) -> None:
    """Delete composed contents that `needed` did not find, because their pieces may be deleted."""
    cat.conn.execute(
        "DELETE FROM content WHERE store_id = ? AND layout = 3 AND id NOT IN (SELECT id FROM temp.living)", (store_id,)
    )


def unpin(cat: Catalog, store_id: int) -> None:
    """No longer keep imported contents that no version needs."""
    cat.conn.execute("UPDATE content SET pinned = 0 WHERE store_id = ? AND pinned = 1", (store_id,))


class Doomed:
    """Mark objects for deletion: nothing may refer to them or their contents any more."""

    def __init__(self, cat: Catalog, store_id: int, object_ids: Iterable[int]) -> None:
        ids = list(object_ids)
        self._cat = cat
        self._places = Places(cat, store_id, ids)
        cat.conn.executemany("UPDATE object SET state = 'marked' WHERE id = ?", [(one,) for one in ids])
        cat.conn.execute("UPDATE content SET marked = 1 WHERE id IN (SELECT content_id FROM temp.places)")

    def spare(self, object_id: int, state: str) -> None:
        """Unmark an object, because the bucket refuses to delete it. Its contents can be used again,
        except those that are also in an object that is still marked."""
        run = self._cat.conn.execute
        run("UPDATE object SET state = ? WHERE id = ?", (state, object_id))
        run(
            "UPDATE content SET marked = 0 WHERE id IN (SELECT content_id FROM temp.places WHERE object_id = ?1) "
            "AND NOT EXISTS (SELECT 1 FROM temp.places p JOIN object o ON o.id = p.object_id "
            "WHERE p.content_id = content.id AND p.object_id != ?1 AND o.state = 'marked')",
            (object_id,),
        )

    def drop(self, object_id: int) -> None:
        """Delete the rows of an object that is gone from the bucket, and of its contents."""
        ids = [(content_id,) for content_id in self._places.ids(object_id)]
        self._cat.conn.executemany("DELETE FROM content WHERE id = ?", ids)
        self._cat.conn.execute("DELETE FROM object WHERE id = ?", (object_id,))


def marked(cat: Catalog, store_id: int) -> list[tuple[int, str, int]]:
    """(id, name, size) of objects whose deletion was begun."""
    return cat.conn.execute(
        "SELECT id, name, size FROM object WHERE store_id = ? AND state = 'marked' ORDER BY name", (store_id,)
    ).fetchall()


def living_contents(cat: Catalog, object_id: int) -> list[tuple[int, int, bytes, bytes | None, Extent]]:
    """(id, size, BLAKE3, MD5, extent) of what `find_living` found in an object; `Places` was made for it."""
    rows = cat.conn.execute(
        "SELECT c.id, c.size, c.blake3, c.md5, p.object_id, p.offset, p.length FROM temp.places p "
        "JOIN content c ON c.id = p.content_id JOIN temp.living l ON l.id = c.id WHERE p.object_id = ? "
        "ORDER BY p.offset",
        (object_id,),
    )
    return [(row[0], row[1], row[2], row[3], Extent(*row[4:])) for row in rows]


def living_lists(cat: Catalog, store_id: int, object_ids: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
    """(id, size) of composed contents that `find_living` found and whose lists are in these objects, by object."""
    found: dict[int, list[tuple[int, int]]] = {}
    rows = cat.conn.execute(
        "SELECT c.object_id, c.id, c.size FROM content c JOIN temp.living l ON l.id = c.id WHERE c.store_id = ? "
        "AND c.layout = 3 AND c.object_id IN (SELECT value FROM json_each(?)) ORDER BY 1, 2",
        (store_id, json.dumps(list(object_ids))),
    )
    for object_id, content_id, size in rows:
        found.setdefault(object_id, []).append((content_id, size))
    return found


def example_path(cat: Catalog, content_id: int) -> tuple[bytes, int, int] | None:
    """A path that has this content, with its mode and mtime, as `find_living` found it; None for a mere piece."""
    row = cat.conn.execute(
        "SELECT p.key, v.mode, v.mtime_ns FROM temp.living l JOIN version v ON v.path_id = l.path_id "
        "AND v.first = l.first JOIN path p ON p.id = v.path_id WHERE l.id = ?",
        (content_id,),
    ).fetchone()
    return (bytes(row[0]), row[1], row[2]) if row else None


def holders(cat: Catalog, content_ids: Iterable[int]) -> list[tuple[int, bytes, int, int, str]]:
    """(content id, key, first snapshot, last snapshot, job) of the versions that have one of these contents, by key."""
    if not (wanted := list(content_ids)):
        return []
    return cat.conn.execute(
        "SELECT v.content_id, p.key, v.first, "
        "coalesce(v.until - 1, (SELECT max(s.id) FROM snapshot s WHERE s.job_id = p.job_id)), j.name "
        "FROM version v JOIN path p ON p.id = v.path_id JOIN job j ON j.id = p.job_id "
        "WHERE v.content_id IN (SELECT value FROM json_each(?)) ORDER BY p.key, v.first",
        (json.dumps(wanted),),
    ).fetchall()
