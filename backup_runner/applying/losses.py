"""Applies the guard on vanished files while a plan is carried out, too: a disk may disappear in between."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..errors import GuardError
from ..planning.weighing import Scales
from ..spec import Job

_NAME = "max_delete_percent"


class Losses:
    """Counts like a plan: files it removes plus those that vanished since, of the files that the catalog had before.

    `count_known` counts those below a key; `overrides` are names of guards to ignore."""

    def __init__(
        self, job: Job, known: int, count_known: Callable[[bytes], int], overrides: Collection[str] = ()
    ) -> None:
        self._scales = Scales(job)
        self._scales.know(known, count_known)
        self._silent = _NAME in overrides

    def taken_out(self, key: bytes) -> None:
        """Count a file that the plan removes, as when planning."""
        self._scales.lose(key)

    def vanished(self, key: bytes) -> None:
        """Count a stored file that no longer exists. Raises GuardError if a plan made now would be stopped."""
        self._scales.lose(key)
        hit = None if self._silent else next(self._scales.deletions(), None)
        if hit is not None:
            raise GuardError(
                f"files vanished since the plan was made: {hit.message}",
                hint="is the source still mounted? Nothing was removed. Plan again or, if this is intended, apply with "
                f"--override-guard {_NAME}",
            )
