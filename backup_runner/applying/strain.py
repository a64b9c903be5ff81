"""Whether a bandwidth limit holds the run back: more is ready to be put than the limit lets pass."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..progress import Events

_SLACK = 1.0
"""Seconds' worth of bytes that may be ready without anybody waiting long."""


class Strain:
    """Tells `events` when the limit (bytes per second; None: there is none) begins and ceases to hold the run back."""

    def __init__(self, limit: float | None, events: Events, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._events = events
        self._clock = clock
        self._free_at = clock()
        """When all that was handed over has passed, if the limit is all that holds it back."""
        self._told = False

    def handed(self, size: int) -> None:
        """So many bytes more are ready."""
        if self._limit:
            self._free_at = max(self._free_at, self._clock()) + size / self._limit

    def look(self) -> None:
        """Tell what changed."""
        held = self._free_at > self._clock() + _SLACK
        if self._limit and held != self._told:
            self._told = held
            self._events.limited(self._limit if held else 0)
