"""Collects small writes in transactions of limited length, which begin and end only here."""

from __future__ import annotations

import sqlite3


class Batch:
    """`step` before each write; every `limit` steps the transaction is committed and the next one begun."""

    def __init__(self, conn: sqlite3.Connection, limit: int) -> None:
        self._conn = conn
        self._limit = limit
        self._steps = 0

    def step(self) -> None:
        """The next write will be part of a transaction."""
        if self._steps >= self._limit:
            self.commit()
        self.join()
        self._steps += 1

    def join(self) -> None:
        """The same, but the following writes stay in the current transaction, however long it is."""
        if not self._conn.in_transaction:
            self._conn.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit the transaction, if one is open."""
        if self._conn.in_transaction:
            self._conn.execute("COMMIT")
        self._steps = 0

    def rollback(self) -> None:
        """Roll back what was written since the last commit."""
        if self._conn.in_transaction:
            self._conn.execute("ROLLBACK")
        self._steps = 0
