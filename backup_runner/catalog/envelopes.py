"""The envelopes of a store's lineage, as far as this machine has seen them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .database import Catalog


class KeptEnvelope(NamedTuple):
    """An envelope's bytes, and the payload of its `keys/<number>`; empty if it could not be opened here."""

    number: int
    raw: bytes
    roster: bytes


def envelopes(cat: Catalog, store_id: int) -> list[KeptEnvelope]:
    """In the order of the chain; none for a store of suite 1."""
    rows = cat.conn.execute("SELECT number, raw, roster FROM envelope WHERE store_id = ? ORDER BY number", (store_id,))
    return [KeptEnvelope(*row) for row in rows]


def keep_envelopes(cat: Catalog, store_id: int, kept: Iterable[KeptEnvelope]) -> None:
    """Put these in place of all that the store has."""
    with cat.transaction() as conn:
        conn.execute("DELETE FROM envelope WHERE store_id = ?", (store_id,))
        conn.executemany(
            "INSERT INTO envelope (store_id, number, raw, roster) VALUES (?, ?, ?, ?)",
            ((store_id, *one) for one in kept),
        )
