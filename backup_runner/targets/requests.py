"""How a target makes requests to a service: at most so many at once, no faster than allowed, with retries.

Any target with a network uses this for each request. It is not a wrapper around whole targets: see docs/decisions.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from ..spec import Limits
from .base import Buffer
from .limits import Rate, Throttled
from .retry import Retrying

T = TypeVar("T")

IN_FLIGHT = 16
"""Concurrent requests of all processes, unless the job says otherwise."""


class Requests:
    """The requests of one process, which has `share` (1/N for one of N processes) of the job's limits.

    `patience` is for how many seconds a failing request is retried; `reached`, whether the service ever responded."""

    def __init__(self, limits: Limits, *, share: float, patience: float, reached: bool = False) -> None:
        # Rounded down, so that the shares never exceed the limit; the small addition makes thirds of 3 exact.
        self.in_flight = max(1, int((limits.requests_in_flight or IN_FLIGHT) * share + 1e-9))
        self._slots = threading.BoundedSemaphore(self.in_flight)
        self._retrying = Retrying(patience, reached=reached)
        self._upload = Rate(limits.upload * share if limits.upload else None)
        self.download = Rate(limits.download * share if limits.download else None)

    @property
    def reached(self) -> bool:
        """Whether the service ever responded."""
        return self._retrying.reached

    def run(self, attempt: Callable[[], T], *, progress: Callable[[], int] = lambda: 0) -> T:
        """The result of the first attempt that succeeds. See `Retrying.run`."""

        def one() -> T:
            with self._slots:
                return attempt()

        return self._retrying.run(one, progress=progress)

    def body(self, data: Buffer) -> bytes | Throttled:
        """The body of an upload, which is read no faster than allowed; bytes, which are sent fastest, without a
        limit."""
        if self._upload.limited:
            return Throttled(data, self._upload)
        return data if isinstance(data, bytes) else bytes(data)
