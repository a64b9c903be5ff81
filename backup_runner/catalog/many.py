"""Queries about many rows at once: a list of values in one statement instead of one statement per value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..records import Digests
from .database import Catalog

_AT_ONCE = 500
"""Values in one statement; SQLite takes 32,766 variables."""

_BAD = "o.state IN ('missing', 'damaged')"
USABLE = (
    f"AND c.marked = 0 AND (c.layout = 3 OR NOT EXISTS (SELECT 1 FROM object o WHERE o.id = c.object_id AND {_BAD})) "
    "AND (c.layout < 2 OR (NOT EXISTS (SELECT 1 FROM stretch e JOIN object o ON o.id = e.object_id "
    f"WHERE e.content_id = c.id AND {_BAD}) AND NOT EXISTS (SELECT 1 FROM extent e JOIN content p ON p.id = e.piece_id "
    f"JOIN object o ON o.id = p.object_id WHERE e.content_id = c.id AND (p.marked = 1 OR {_BAD}))))"
)


def select(cat: Catalog, statement: str, values: Iterable[object], *fixed: object) -> Iterator[tuple[Any, ...]]:
    """Rows of a statement in which `{}` stands for the list of values; `fixed` are the variables before it."""
    for some in _chunks(list(values)):
        marks = ",".join("?" * len(some))
        yield from cat.conn.execute(statement.format(marks), (*fixed, *some))


def next_id(cat: Catalog, table: str) -> int:
    """The next free id of the table, which no row ever had."""
    row = cat.conn.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return 1 + (int(row[0]) if row else 0)


def content_ids(cat: Catalog, store_id: int, digests: Sequence[Digests]) -> dict[tuple[int, bytes], int]:
    """Ids of the contents with these sizes and BLAKE3s, if the catalog has them."""
    return _contents(cat, store_id, digests, "")


def usable_contents(cat: Catalog, store_id: int, digests: Sequence[Digests]) -> dict[tuple[int, bytes], int]:
    """The same, but only those that a new version may refer to: they can be read from the bucket."""
    return _contents(cat, store_id, digests, USABLE)


def known_pieces(cat: Catalog, store_id: int, strong: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
    """Placed contents with these BLAKE3s that a composed content may refer to: (id, size) by BLAKE3."""
    found: dict[bytes, tuple[int, int]] = {}
    for some in _chunks(list(strong)):
        marks = ",".join(["(?)"] * len(some))
        rows = cat.conn.execute(
            f"WITH wanted (blake3) AS (VALUES {marks}) SELECT c.blake3, c.id, c.size FROM wanted w "
            f"CROSS JOIN content c ON {_HASH} AND c.store_id = ? AND c.layout = 0 {USABLE}",
            (*some, store_id),
        )
        found.update((row[0], (row[1], row[2])) for row in rows)
    return found


HASH_INDEX = "CREATE INDEX content_hash ON content (substr(blake3, 1, 5)) WHERE blake3 IS NOT NULL"
_HASH = "substr(c.blake3, 1, 5) = substr(w.blake3, 1, 5) AND c.blake3 = w.blake3"
"""Uses the index on the first bytes. BLAKE3s are never equal by chance, so sizes need not be compared."""


def _contents(cat: Catalog, store_id: int, digests: Sequence[Digests], condition: str) -> dict[tuple[int, bytes], int]:
    found: dict[tuple[int, bytes], int] = {}
    for some in _chunks(digests):
        marks = ",".join(["(?,?)"] * len(some))
        rows = cat.conn.execute(
            f"WITH wanted (size, blake3) AS (VALUES {marks}) SELECT c.id, c.size, c.blake3 FROM wanted w "
            f"CROSS JOIN content c ON {_HASH} AND c.store_id = ? AND c.size = w.size {condition}",
            (*(value for one in some for value in one[:2]), store_id),
        )
        found.update(((size, strong), content_id) for content_id, size, strong in rows)
    return found


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))
