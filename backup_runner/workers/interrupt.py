"""Ctrl-C and termination signals during changes: the first requests a stop, the second stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

EXIT_CODE = 130


class Interrupt:
    """Installs handlers while it is entered; engines check `requested` between steps.

    A second Ctrl-C kills `children` and ends the process at once. `on_first` and `on_second` run inside the signal
    handler, so they may only write a few bytes. With `lasting`, handlers stay after a stop was requested.
    `ask` is another source of stop requests, besides signals; that works without entering.
    """

    def __init__(
        self,
        on_first: Callable[[], None] = lambda: None,
        on_second: Callable[[], None] = lambda: None,
        *,
        lasting: bool = False,
        ask: Callable[[], bool] = lambda: False,
    ) -> None:
        self._requested = False
        self._ask = ask
        self.children: set[int] = set()
        """Process ids of workers, which a second Ctrl-C kills."""
        self._on_first = on_first
        self._on_second = on_second
        self._lasting = lasting
        self._previous: dict[int, Any] = {}

    @property
    def entered(self) -> bool:
        """Whether its handlers are installed."""
        return bool(self._previous)

    def __enter__(self) -> Interrupt:
        # Python allows handlers only in the main thread; in others, `requested` can still be set directly.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lasting and self._requested:
            # The process is about to exit with 130; a second Ctrl-C must not change that.
            return
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous.clear()

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        if not self._requested and self._ask():
            self._requested = True
        return self._requested

    @requested.setter
    def requested(self, value: bool) -> None:
        self._requested = value

    def stop(self) -> bool:
        """`requested` as a function."""
        return self.requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._requested:
            self._requested = True
            self._on_first()
        elif number == signal.SIGINT:
            self._end()

    def _end(self) -> None:
        for pid in list(self.children):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self._on_second()
        os._exit(EXIT_CODE)
