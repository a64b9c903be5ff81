"""What a restore would do with files, without fetching and writing them."""

from __future__ import annotations

from itertools import chain

from ..catalog.restoring import Selection
from .files import Distribution
from .work import CAUGHT, problem_of
from .write import Decision


class Preview(Distribution):
    """Decides like workers, but fetches nothing."""

    def run(self, chosen: Selection, *, again: bool = False) -> None:
        """Record what would happen to the chosen files."""
        for row in chain(chosen.files(again=again), chosen.composed(again=again)):
            if self._book.stopped():
                return
            if row.list is None and self._hopeless(row):
                continue
            try:
                decision = self._writer.decide(row)
                if decision is Decision.UNCHANGED:
                    self._writer.refresh(row)
            except CAUGHT as error:
                self._book.fail(row, *problem_of(error))
                continue
            if decision is Decision.WRITE:
                self._writer.goal.pretend_written(row.key)
            self._book.record(row, decision.value)
            self._book.events.advance(1, row.size)
