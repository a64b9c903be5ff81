"""What is in which object. The catalog has no index for this query, which only verify, repack and prune need: they
create one, in a temporary table that later writes do not change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .database import Catalog


class StretchRow(NamedTuple):
    """A content, or a stretch of one, in an object; lengths in bytes. `spread`: it has other stretches as well."""

    content_id: int
    offset: int
    length: int
    size: int | None
    blake3: bytes | None
    md5: bytes | None
    format: str
    spread: int


class Places:
    """The placed and spread contents of some objects (None: of all objects of the store), by object."""

    def __init__(self, cat: Catalog, store_id: int, object_ids: Iterable[int] | None = None) -> None:
        self._run = cat.conn.execute
        self._run("DROP TABLE IF EXISTS temp.places")
        self._run(
            "CREATE TEMP TABLE places (object_id INTEGER, offset INTEGER, content_id INTEGER, length INTEGER, "
            "spread INTEGER, PRIMARY KEY (object_id, offset, content_id)) WITHOUT ROWID"
        )
        wanted = ""
        if object_ids is not None:
            self._run("CREATE TEMP TABLE IF NOT EXISTS place_wanted (id INTEGER PRIMARY KEY)")
            self._run("DELETE FROM temp.place_wanted")
            cat.conn.executemany("INSERT OR IGNORE INTO place_wanted VALUES (?)", ((one,) for one in object_ids))
            wanted = "AND {}.object_id IN (SELECT id FROM temp.place_wanted)"
        self._run(
            "INSERT INTO places SELECT c.object_id, c.offset, c.id, coalesce(c.size, 0), 0 FROM content c "
            f"WHERE c.store_id = ? AND c.layout < 2 {wanted.format('c')} ORDER BY 1, 2, 3",
            (store_id,),
        )
        self._run(
            "INSERT INTO places SELECT s.object_id, s.offset, s.content_id, s.length, 1 FROM stretch s "
            f"JOIN content c ON c.id = s.content_id WHERE c.store_id = ? {wanted.format('s')}",
            (store_id,),
        )

    def within(self, object_id: int) -> list[StretchRow]:
        """What is in an object, by offset."""
        rows = self._run(
            "SELECT c.id, p.offset, p.length, c.size, c.blake3, c.md5, "
            "CASE c.layout WHEN 1 THEN 'legacy' ELSE 'container' END, p.spread "
            "FROM temp.places p JOIN content c ON c.id = p.content_id WHERE p.object_id = ? ORDER BY p.offset, c.id",
            (object_id,),
        )
        return [StretchRow(*row) for row in rows]

    def ids(self, object_id: int) -> list[int]:
        """Ids of what is in an object."""
        rows = self._run("SELECT DISTINCT content_id FROM temp.places WHERE object_id = ?", (object_id,))
        return [row[0] for row in rows]
