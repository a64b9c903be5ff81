"""Queries and updates of verify: which contents are in an object, who needs them, and its state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import DamagedError
from ..records import pack_pieces, pieces_digest
from .composed import composition
from .database import Catalog


class Need(NamedTuple):
    """A path that needs a content: its job, the newest snapshot with it, and how many have it. `content_id` is the one
    that was asked for: a piece, where the path's own content is composed of it."""

    key: bytes
    job: str
    newest: int
    snapshots: int
    content_id: int


def object_sizes(cat: Catalog, store_id: int) -> dict[int, int]:
    """All objects of a store: their sizes in bytes, by id."""
    return dict(cat.conn.execute("SELECT id, size FROM object WHERE store_id = ? ORDER BY name", (store_id,)))


def spread_contents(cat: Catalog, store_id: int) -> list[int]:
    """Contents in several stretches, except those marked for deletion."""
    rows = cat.conn.execute("SELECT id FROM content WHERE store_id = ? AND layout = 2 AND marked = 0", (store_id,))
    return [row[0] for row in rows]


def broken_lists(cat: Catalog, store_id: int) -> Iterator[int]:
    """Composed contents whose list of pieces differs from the recorded one."""
    rows = cat.conn.execute(
        "SELECT id, size, list FROM content WHERE store_id = ? AND layout = 3 AND marked = 0", (store_id,)
    ).fetchall()
    for content_id, size, expected in rows:
        try:
            sound = pieces_digest(pack_pieces(composition(cat, content_id, size))) == expected
        except DamagedError:
            sound = False
        if not sound:
            yield content_id


def needs(cat: Catalog, content_ids: Iterable[int]) -> Iterator[Need]:
    """Every path, of any job and snapshot, that needs one of these contents, as it is or as a piece, sorted by key."""
    run = cat.conn.execute
    fill_lost(cat, content_ids)
    rows = run(
        "SELECT p.key, j.name, max(s.id), count(*), lost.because FROM version v JOIN temp.lost lost "
        "ON lost.content_id = v.content_id JOIN path p ON p.id = v.path_id JOIN job j ON j.id = p.job_id "
        "JOIN snapshot s ON s.job_id = j.id AND s.id >= v.first AND (v.until IS NULL OR s.id < v.until) "
        "GROUP BY p.id, v.content_id ORDER BY p.key"
    ).fetchall()
    return map(Need._make, rows)


def fill_lost(cat: Catalog, content_ids: Iterable[int]) -> None:
    """Put contents, and those composed of them, into a temporary table: (content, the content it is lost with)."""
    run = cat.conn.execute
    run("DROP TABLE IF EXISTS temp.lost")
    run("CREATE TEMP TABLE lost (content_id INTEGER PRIMARY KEY, because INTEGER)")
    cat.conn.executemany("INSERT OR IGNORE INTO lost VALUES (?1, ?1)", ((one,) for one in content_ids))
    run(
        "INSERT OR IGNORE INTO lost SELECT e.content_id, e.piece_id FROM extent e "
        "JOIN lost l ON l.content_id = e.piece_id"
    )
