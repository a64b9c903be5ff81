"""Composed contents, read back as their list of pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import DamagedError
from ..records import Piece
from .database import Catalog


class PieceRow(NamedTuple):
    """A piece of a composed content: from byte `at` on, `size` bytes, at `offset` of an object."""

    at: int
    content_id: int
    size: int
    blake3: bytes
    object_id: int
    offset: int


def piece_rows(cat: Catalog, content_id: int) -> Iterator[PieceRow]:
    """The pieces of a composed content, in order."""
    rows = cat.conn.execute(
        "SELECT e.at, p.id, p.size, p.blake3, p.object_id, p.offset FROM extent e JOIN content p ON p.id = e.piece_id "
        "WHERE e.content_id = ? ORDER BY e.at",
        (content_id,),
    )
    return map(PieceRow._make, rows)


def composition(cat: Catalog, content_id: int, size: int) -> Iterator[Piece]:
    """The list of pieces and holes of a composed content of `size` bytes. Raises DamagedError if rows overlap."""
    end = 0
    for row in piece_rows(cat, content_id):
        if row.at < end:
            raise DamagedError("its list of pieces in the catalog is damaged")
        if row.at > end:
            yield Piece(None, row.at - end)
        yield Piece(row.blake3, row.size)
        end = row.at + row.size
    if end > size:
        raise DamagedError("its list of pieces in the catalog is damaged")
    if end < size:
        yield Piece(None, size - end)
