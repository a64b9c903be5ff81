"""The rate at which bytes are done."""

from __future__ import annotations

from collections import deque


class Pace:
    """The current rate: over the last seconds, so that a fast start or a wait does not distort it forever."""

    SECONDS = 15.0

    def __init__(self, start: float) -> None:
        self._since = start
        self._steps: deque[tuple[float, int]] = deque()
        self._size = 0

    def add(self, size: int, now: float) -> None:
        """This many more bytes are done."""
        self._steps.append((now, size))
        self._size += size
        self._forget(now)

    def over(self, now: float) -> tuple[int, float]:
        """Bytes, and the seconds that they took."""
        self._forget(now)
        return self._size, now - self._since

    def _forget(self, now: float) -> None:
        while self._steps and self._steps[0][0] < now - self.SECONDS:
            self._since, size = self._steps.popleft()
            self._size -= size
