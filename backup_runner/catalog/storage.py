"""What a store keeps in the bucket, summed up."""

from __future__ import annotations

from .database import Catalog


def stored_by_tier(cat: Catalog, store_id: int) -> tuple[dict[str, int], int]:
    """Sealed bytes by storage tier, and how many objects there are; those known to be missing left out."""
    rows = cat.conn.execute(
        "SELECT tier, sum(size), count(*) FROM object WHERE store_id = ? AND state != 'missing' GROUP BY tier",
        (store_id,),
    ).fetchall()
    return {tier: int(size) for tier, size, _ in rows}, sum(int(number) for *_, number in rows)
