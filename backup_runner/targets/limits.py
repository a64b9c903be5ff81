"""Limits of bandwidth (bytes per second) and concurrent requests, shared by the threads of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST = 0.25
"""After a pause, the bytes of this many seconds may pass at once."""


class Rate:
    """At most `rate` bytes per second on average; None is no limit. `clock` and `sleep` are in seconds."""

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()
        self._lock = threading.Lock()

    @property
    def limited(self) -> bool:
        return self._rate is not None

    def take(self, size: int) -> None:
        """Wait until `size` more bytes are allowed."""
        if self._rate is None:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - _BURST) + size / self._rate
            wait = self._free_at - now
        if wait > 0:
            self._sleep(wait)


class Throttled:
    """A request body that is read no faster than `rate` allows. http.client reads it in 16 KiB steps."""

    def __init__(self, data: bytes | bytearray | memoryview, rate: Rate) -> None:
        self._data = memoryview(data).cast("B")
        self._rate = rate
        self._place = 0

    def __len__(self) -> int:
        return len(self._data)

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._place, len(self._data))[whence]
        self._place = max(0, min(len(self._data), base + offset))
        return self._place

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size is None or size < 0 else self._place + size
        piece = bytes(self._data[self._place : end])
        self._rate.take(len(piece))
        self._place += len(piece)
        return piece
