"""Placeholder until retention is wired."""

from __future__ import annotations
from collections.abc import Iterator
from .catalog import Catalog
from .catalog.database import Store
from .drift import Drift
from .records import Action
from .session import Session


def plan_pruning(
    session: Session, cat: Catalog, store: Store, job_id: int, drift: Drift, notes: list[str]
) -> Iterator[Action]:
    if session.job.retention is None:
        return
    notes.append("retention is not acted on yet: nothing is forgotten or deleted")
    yield from ()


def holders(cat: Catalog, content_id: int) -> Iterator[tuple[bytes, int, int]]:
    rows = cat.conn.execute(
        "SELECT p.key, v.first, coalesce(v.until - 1, (SELECT max(id) FROM snapshot)) FROM version v JOIN path p ON p.id = v.path_id WHERE v.content_id = ?",
        (content_id,),
    )
    yield from rows


def carry_out(run: object, recorder: object, pruning: list[Action]) -> None:
    raise NotImplementedError
