"""Reads a second time: one bad read says nothing about what is stored, so no damage is believed or recorded before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import DamagedError, NotEntitledError

T = TypeVar("T")


def twice(read: Callable[[], T]) -> T:
    """The result of `read`; if it reports damage, it is called once more and must fetch again."""
    try:
        return read()
    except (DamagedError, NotEntitledError):
        return read()
