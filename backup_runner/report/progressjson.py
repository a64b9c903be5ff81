"""Progress as JSON Lines on stderr, for programs that show it: `--progress json`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TextIO

from ..inert import inert_json
from .pace import Pace
from .units import iso_time

INTERVAL = 0.5
"""Seconds between two events of one stage, at least; the last one of a stage always comes."""


class JsonReporter:
    """One event a line: `phase`, `progress`, `warning`. Totals, rate and time left are of this run alone."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._name = ""
        self._done = [0, 0]
        """Files and bytes."""
        self._total = [0, 0]
        self._limit = 0.0
        self._current = b""
        self._pace = Pace(0.0)
        self._told_at = 0.0
        self._news = False

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        self._end()
        self._name, self._done, self._total, self._limit = name, [0, 0], [files, size], 0.0
        self._current, self._news = b"", False
        self._told_at = self._clock()
        self._pace = Pace(self._told_at)
        self._say("phase", files=files or None, bytes=size or None)

    def advance(self, files: int, size: int) -> None:
        self._done[0] += files
        self._done[1] += size
        self._pace.add(size, self._clock())
        self._changed()

    def ahead(self, files: int, size: int) -> None:
        self._total[0] += files
        self._total[1] += size
        self._changed()

    def now(self, name: bytes) -> None:
        first, self._current = not self._current, name
        self._changed(at_once=first)

    def limited(self, rate: float) -> None:
        self._limit = rate
        self._changed(at_once=True)

    def warn(self, text: str) -> None:
        self._say("warning", message=text)

    def close(self) -> None:
        self._end()
        self._stream.flush()

    def _changed(self, *, at_once: bool = False) -> None:
        self._news = True
        if at_once or self._clock() >= self._told_at + INTERVAL:
            self._tell()

    def _end(self) -> None:
        if self._news:
            self._tell()

    def _tell(self) -> None:
        now = self._clock()
        size, seconds = self._pace.over(now)
        rate = size / seconds if seconds > 0 else 0.0
        # A total may be smaller than what is done: a scan expects as many files as last time.
        files, whole = (total if total >= done else None for total, done in zip(self._total, self._done, strict=True))
        left = (whole - self._done[1]) / rate if whole and rate else None
        self._say(
            "progress",
            files_done=self._done[0],
            files=files or None,
            bytes_done=self._done[1],
            bytes=whole or None,
            bytes_per_second=round(rate),
            seconds_left=None if left is None else round(left, 1),
            current=self._current.decode("utf-8", "backslashreplace") or None,
            limit_bytes_per_second=self._limit or None,
        )
        self._told_at, self._news = now, False

    def _say(self, event: str, **fields: Any) -> None:
        line = {"event": event, "time": iso_time(time.time_ns()), "phase": self._name, **fields}
        data = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace")
        print(inert_json(data).decode(), file=self._stream, flush=True)
