"""Totals of a store in the bucket."""

from __future__ import annotations

from .database import Catalog


def stored_by_tier(cat: Catalog, store_id: int) -> tuple[dict[str, int], int]:
    """Encrypted bytes by storage tier, and the number of objects, without missing ones."""
    rows = cat.conn.execute(
        "SELECT tier, sum(size), count(*) FROM object WHERE store_id = ? AND state != 'missing' GROUP BY tier",
        (store_id,),
    ).fetchall()
    return {tier: int(size) for tier, size, _ in rows}, sum(int(number) for *_, number in rows)
