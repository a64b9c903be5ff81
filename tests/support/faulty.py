"""A target with faults: a wrapper around a real one that fails, lies, or dies, at calls that a test chooses."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backup_runner.errors import TransientError
from backup_runner.targets.base import Target

Fault = Callable[[str, int, dict[str, Any]], None]
"""Called before each call with its name, its number (from 1, over all calls of that name) and its arguments."""


class FaultyTarget:
    """Passes everything on to `inner`; `fault` may raise, end the process, or alter the arguments."""

    def __init__(self, inner: Target, fault: Fault, *, altered: Callable[[str, Any], Any] | None = None) -> None:
        self._inner = inner
        self._fault = fault
        self._altered = altered
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self.calls: list[str] = []

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._lock = threading.Lock()

    def divided(self, ways: int) -> FaultyTarget:
        """Faults go along to the workers."""
        if (inner := self._inner.divided(ways)) is self._inner:
            return self
        return FaultyTarget(inner, self._fault, altered=self._altered)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*positional: Any, **named: Any) -> Any:
            with self._lock:
                number = self._counts[name] = self._counts.get(name, 0) + 1
                self.calls.append(name)
            self._fault(name, number, named | {"positional": positional})
            result = found(*positional, **named)
            return self._altered(name, result) if self._altered else result

        return call


@dataclass(frozen=True)
class FailAt:
    """Raise at the given call and all later ones of that name."""

    name: str
    number: int

    def __call__(self, called: str, at: int, arguments: dict[str, Any]) -> None:
        if called == self.name and at >= self.number:
            raise TransientError(f"no answer to {called}")


@dataclass(frozen=True)
class DieAt:
    """End the whole process group as a kill would, before the given call. Calls are counted in each process.

    With `holding`, before the first call for an object whose name has that."""

    name: str
    number: int = 0
    holding: str = ""

    def __call__(self, called: str, at: int, arguments: dict[str, Any]) -> None:
        if called != self.name:
            return
        if at == self.number or (self.holding and self.holding in arguments["positional"][0]):
            os.killpg(0, signal.SIGKILL)


def no_fault(called: str, at: int, arguments: dict[str, Any]) -> None:
    """Nothing goes wrong."""


def short_reads(name: str, result: Any) -> Any:
    """`get` gives one byte less than there is."""
    return result[:-1] if name == "get" else result


def corrupt_reads(name: str, result: Any) -> Any:
    """`get` gives a byte that is not what was stored."""
    if name != "get" or not result:
        return result
    middle = len(result) // 2
    return result[:middle] + bytes([result[middle] ^ 1]) + result[middle + 1 :]
