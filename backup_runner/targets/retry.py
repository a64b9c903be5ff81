"""Retries: exponential backoff with jitter, Retry-After, and a limit on the total time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import ChecksumMismatch, RetryLaterError, TargetError, TransientError, UnreachableError

T = TypeVar("T")

FIRST_CONTACT = 5.0
"""Seconds of retries for a server that never responded: a wrong name should be reported soon."""
_FIRST_WAIT = 0.25
_LONGEST_WAIT = 20.0


@dataclass
class Retrying:
    """Runs attempts until one succeeds. `patience` is in seconds, from the first attempt or the last progress."""

    patience: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform
    reached: bool = False
    """Whether the server ever responded."""

    def run(self, attempt: Callable[[], T], *, progress: Callable[[], int] = lambda: 0) -> T:
        """The first successful result. Raises the last TransientError when `patience` is exceeded, other errors at
        once.

        `progress` counts what was achieved; whenever it increases, the time starts again.
        """
        started, tries, achieved = self.clock(), 0, progress()
        while True:
            try:
                result = attempt()
            except TransientError as error:
                self.reached = self.reached or not isinstance(error, UnreachableError)
                if progress() > achieved:
                    started, tries, achieved = self.clock(), 0, progress()
                tries += 1
                wait = self._wait(error, tries)
                spent = self.clock() - started
                if spent + wait > self._limit(error):
                    raise _given_up(error, tries, spent) from error
                self.sleep(wait)
            except TargetError:
                self.reached = True
                raise
            else:
                self.reached = True
                return result

    def _limit(self, error: TransientError) -> float:
        if isinstance(error, UnreachableError) and not self.reached:
            return min(FIRST_CONTACT, self.patience)
        return self.patience

    def _wait(self, error: TransientError, tries: int) -> float:
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(tries - 1, 10))
        wait = self.uniform(wait / 2, wait)
        return max(wait, error.retry_after) if isinstance(error, RetryLaterError) else wait


def _given_up(error: TransientError, tries: int, spent: float) -> TransientError:
    told = f"{error.message} (given up after {tries} {'try' if tries == 1 else 'tries'} in {spent:.0f} s)"
    kind = ChecksumMismatch if isinstance(error, ChecksumMismatch) else TransientError
    return kind(told, hint=error.hint)
