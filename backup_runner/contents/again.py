"""Reading a second time: one bad read says nothing about what is stored, so nothing is believed or recorded before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import DamagedError, NotEntitledError

T = TypeVar("T")


def twice(read: Callable[[], T]) -> T:
    """What `read` gives; where it says that something is damaged, it is called once more, and has to fetch again."""
    try:
        return read()
    except (DamagedError, NotEntitledError):
        return read()
