"""Notes of older versions about uploads in parts, which a killed apply used to continue. No longer written."""

from __future__ import annotations

from .database import Catalog


def uploads(cat: Catalog, store_id: int) -> list[tuple[str, str]]:
    """(object name, upload id) of uploads that were not finished."""
    return list(cat.conn.execute("SELECT name, upload FROM upload WHERE store_id = ?", (store_id,)))


def clear(cat: Catalog, store_id: int) -> None:
    cat.conn.execute("DELETE FROM upload WHERE store_id = ?", (store_id,))
