"""Which stretches of a file are data and which are holes, as the file system knows it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

_BLOCK = 512


class Stretch(NamedTuple):
    """`length` bytes from `start` on: data to read, or zeros in a hole."""

    start: int
    length: int
    hole: bool


def stretches(fd: int, status: os.stat_result, shortest: int) -> list[Stretch]:
    """The whole file in order; holes of fewer than `shortest` bytes count as data. Moves the descriptor's offset."""
    size = status.st_size
    if status.st_blocks * _BLOCK >= size:
        return [Stretch(0, size, hole=False)] if size else []
    found: list[Stretch] = []
    at = 0
    for start, end in _data(fd, size):
        if start - at >= shortest:
            found.append(Stretch(at, start - at, hole=True))
            at = start
        if found and not found[-1].hole:
            found[-1] = Stretch(found[-1].start, end - found[-1].start, hole=False)
        else:
            found.append(Stretch(at, end - at, hole=False))
        at = end
    if size - at >= shortest:
        found.append(Stretch(at, size - at, hole=True))
    elif at < size:
        start = found.pop().start if found and not found[-1].hole else at
        found.append(Stretch(start, size - start, hole=False))
    return found


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of data; the whole file if the file system does not know."""
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                yield at, size
            # ENXIO: no data follows.
            return
        if start >= size:
            return
        yield start, min(end, size)
        at = end
