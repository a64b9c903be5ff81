"""Times of inodes that can be compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def settled(look: Callable[[], _T]) -> _T:
    """What `look` returns twice in a row: within a few milliseconds of a change, the kernel may show another ctime."""
    found = look()
    while True:
        time.sleep(0.05)
        again = look()
        if again == found:
            return found
        found = again
