"""Writes objects and contents. Callers hold a transaction.

An existing content (same size and BLAKE3) keeps its id, wherever its bytes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple

from ..records import Composed, Digests, Extent, NewObject, Placed, pieces_digest, unpack_pieces
from .database import Catalog
from .many import content_ids, known_pieces, next_id, usable_contents

PLACED, LEGACY, SPREAD, COMPOSED = range(4)
"""Values of `content.layout`; see schema2."""

WRITTEN = "written"
"""The name, in `high_water`, of the newest snapshot with versions of its own."""

_NEW = (
    "INSERT INTO content (id, store_id, layout, object_id, offset, size, blake3, md5, list) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The update also notes the content as changed, so that the next record carries where it is.
_MOVE = "UPDATE content SET layout = ?, object_id = ?, offset = ?, list = ?, marked = 0 WHERE id = ?"


def add_object(cat: Catalog, store_id: int, new: NewObject) -> int:
    cursor = cat.conn.execute(
        "INSERT INTO object (store_id, name, size, plain, checksum, etag, parts, header, segments, tier, created_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (store_id, *astuple(new)),
    )
    return int(cursor.lastrowid or 0)


def put_placed(
    cat: Catalog, store_id: int, object_id: int, items: Sequence[Placed], *, anew: bool = False
) -> list[int]:
    """Record the contents of a new object; returns the ids, in order. Equal items, and readable ones that the catalog
    already has, share an id; lost or marked ones, or all with `anew`, are moved to this object."""
    wanted = [Digests(item.size, item.blake3, item.md5 or b"") for item in items]
    known = content_ids(cat, store_id, wanted)
    usable = {} if anew or not known else usable_contents(cat, store_id, wanted)
    ids: list[int] = []
    rows: list[tuple[object, ...]] = []
    first = next_id(cat, "content")
    for item in items:
        identity = (item.size, item.blake3)
        content_id = known.get(identity)
        if content_id is None:
            content_id = known[identity] = usable[identity] = first + len(rows)
            rows.append((content_id, store_id, PLACED, object_id, item.offset, item.size, item.blake3, item.md5, None))
        elif identity not in usable:
            move_content(cat, content_id, [Extent(object_id, item.offset, item.size)])
            usable[identity] = content_id
        ids.append(content_id)
    cat.conn.executemany(_NEW, rows)
    if len(rows) < len(items):
        pairs = zip(items, ids, strict=True)
        learn_md5s(cat, [(item.md5, content_id) for item, content_id in pairs if item.md5 and content_id < first])
    return ids


def note_versions(cat: Catalog, store_id: int, snapshot_id: int) -> None:
    """Remember that this snapshot has versions of its own. Whoever adds versions calls this in the same transaction:
    a record looks for new ones only then, which takes long, because versions have no index by snapshot."""
    cat.conn.execute(
        "INSERT INTO high_water (store_id, name, row_id) VALUES (?, ?, ?) "
        "ON CONFLICT (store_id, name) DO UPDATE SET row_id = max(row_id, excluded.row_id)",
        (store_id, WRITTEN, snapshot_id),
    )


def learn_md5s(cat: Catalog, items: Iterable[tuple[bytes, int]]) -> None:
    """Add the MD5 of a content that was only a piece of files and is now a file."""
    cat.conn.executemany("UPDATE content SET md5 = ? WHERE id = ? AND md5 IS NULL", items)


def has_pieces(cat: Catalog, store_id: int, item: Composed) -> bool:
    """Whether all pieces of a content are in the catalog and readable."""
    strong = {piece.blake3 for piece in unpack_pieces(item.pieces) if piece.blake3 is not None}
    return len(known_pieces(cat, store_id, strong)) == len(strong)


def put_composed(cat: Catalog, store_id: int, items: Iterable[Composed], object_id: int | None) -> list[int]:
    """Record contents whose pieces are all in the catalog; returns their ids. The index of `object_id` has their lists.

    Raises KeyError for an unknown piece."""
    return [_put_composed(cat, store_id, item, object_id) for item in items]


def _put_composed(cat: Catalog, store_id: int, item: Composed, object_id: int | None) -> int:
    pieces = list(unpack_pieces(item.pieces))
    strong = {piece.blake3 for piece in pieces if piece.blake3 is not None}
    ids = known_pieces(cat, store_id, strong)
    rows, at = [], 0
    for digest, size in pieces:
        if digest is not None:
            rows.append((at, ids[digest][0]))
        at += size
    digests = Digests(item.size, item.blake3, item.md5 or b"")
    content_id = content_ids(cat, store_id, [digests]).get(digests[:2])
    place = (COMPOSED, object_id, None)
    if content_id is None:
        content_id = next_id(cat, "content")
        named = (item.size, item.blake3, item.md5, pieces_digest(item.pieces))
        cat.conn.execute(_NEW, (content_id, store_id, *place, *named))
    elif content_id in usable_contents(cat, store_id, [digests]).values() and _is_composed(cat, content_id):
        return content_id
    else:
        _clear(cat, content_id)
        cat.conn.execute(_MOVE, (*place, pieces_digest(item.pieces), content_id))
    cat.conn.executemany(
        "INSERT INTO extent (content_id, at, piece_id) VALUES (?, ?, ?)", ((content_id, *row) for row in rows)
    )
    return content_id


def move_list(cat: Catalog, content_id: int, object_id: int) -> None:
    """Record the object whose index has the list of a composed content."""
    cat.conn.execute("UPDATE content SET object_id = ? WHERE id = ? AND layout = 3", (object_id, content_id))


def _is_composed(cat: Catalog, content_id: int) -> bool:
    row = cat.conn.execute("SELECT layout FROM content WHERE id = ?", (content_id,)).fetchone()
    return bool(row[0] == COMPOSED)


def _clear(cat: Catalog, content_id: int) -> None:
    cat.conn.execute("DELETE FROM extent WHERE content_id = ?", (content_id,))
    cat.conn.execute("DELETE FROM stretch WHERE content_id = ?", (content_id,))


def put_content(cat: Catalog, store_id: int, digests: Digests, extents: Sequence[Extent]) -> int:
    """Record a content at these extents; one that exists already is moved to them and unmarked."""
    content_id = content_ids(cat, store_id, [digests]).get(digests[:2])
    if content_id is not None:
        move_content(cat, content_id, extents)
        return content_id
    content_id = next_id(cat, "content")
    cat.conn.execute(_NEW, (content_id, store_id, *_place(extents), *digests, None))
    cat.conn.executemany(_STRETCH, _stretches(content_id, extents))
    return content_id


def move_content(cat: Catalog, content_id: int, extents: Sequence[Extent]) -> None:
    """Move a content to these extents, in the container format."""
    _clear(cat, content_id)
    cat.conn.execute(_MOVE, (*_place(extents), None, content_id))
    cat.conn.executemany(_STRETCH, _stretches(content_id, extents))


def _place(extents: Sequence[Extent]) -> tuple[int, int | None, int | None]:
    if len(extents) == 1:
        return (PLACED, extents[0].object_id, extents[0].offset)
    return (SPREAD, None, None)


def _stretches(content_id: int, extents: Sequence[Extent]) -> list[tuple[int, int, int, int, int]]:
    return [(content_id, seq, *extent) for seq, extent in enumerate(extents)] if len(extents) != 1 else []


_STRETCH = "INSERT INTO stretch (content_id, seq, object_id, offset, length) VALUES (?, ?, ?, ?, ?)"
