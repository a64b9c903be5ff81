"""The log of requests: the newest in memory, all of them as JSON lines in a file if asked for."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import IO

_KEPT = 200_000


class Log:
    def __init__(self, path: str | None) -> None:
        self._lines: deque[dict[str, object]] = deque(maxlen=_KEPT)
        self._file: IO[str] | None = open(path, "a", buffering=1) if path else None  # noqa: SIM115
        self._lock = threading.Lock()
        self._next = 0

    def add(self, line: dict[str, object]) -> None:
        with self._lock:
            line["seq"] = self._next
            self._next += 1
            self._lines.append(line)
            if self._file is not None:
                self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def since(self, first: int) -> list[dict[str, object]]:
        with self._lock:
            return [line for line in self._lines if line["seq"] >= first]  # type: ignore[operator]

    def clear(self) -> None:
        with self._lock:
            self._lines.clear()
