"""Detects that a bandwidth limit slows down the run: more is ready for upload than the limit allows."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..progress import Events

_SLACK = 1.0
"""Seconds' worth of bytes that may be ready without a noticeable wait."""


class Strain:
    """Tells `events` when the limit (bytes per second; None: no limit) starts and stops slowing down the run."""

    def __init__(self, limit: float | None, events: Events, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._events = events
        self._clock = clock
        self._free_at = clock()
        """The time when all ready bytes will have passed the limit."""
        self._told = False

    def handed(self, size: int) -> None:
        """This many more bytes are ready."""
        if self._limit:
            self._free_at = max(self._free_at, self._clock()) + size / self._limit

    def look(self) -> None:
        """Tell what changed."""
        held = self._free_at > self._clock() + _SLACK
        if self._limit and held != self._told:
            self._told = held
            self._events.limited(self._limit if held else 0)
