"""A file's flags as in chattr(1): those of the snapshot are added if this user and the file system allow it.

Other flags of the file are kept: older snapshots do not record flags.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..foreign import describe
from ..records import Flag
from ..source.access import chattr_flags

_T = TypeVar("_T")
LAST = 0x30
"""Immutable and append-only: they prevent renames, links and writes, so they are set at the very end."""
_SET_FLAGS = 0x40086602
"""FS_IOC_SETFLAGS, ioctl_iflags(2), of 64-bit systems."""
_GET_FLAGS = 0x80086601
_LETTERS = {
    0x1: "s", 0x2: "u", 0x4: "c", 0x8: "S", 0x10: "i", 0x20: "a", 0x40: "d", 0x80: "A", 0x400: "m", 0x4000: "j",
    0x8000: "t", 0x10000: "D", 0x800000: "C", 0x20000000: "P", 0x40000000: "F",
}  # fmt: skip


def flags_of(version_flags: int) -> int:
    """The flags of chattr(1) among those in the catalog."""
    return version_flags >> Flag.CHATTR_SHIFT


def named(flags: int) -> str:
    """`chattr +ai`"""
    letters = (_LETTERS.get(bit, f"0x{bit:x}") for bit in _bits(flags))
    return "chattr +" + "".join(letters)


def missing(where: int | bytes, flags: int) -> int:
    """The flags that a file or folder lacks; all of them if unknown."""
    if not flags:
        return 0
    try:
        return flags & ~_with_open(where, chattr_flags)
    except OSError:
        return flags


def add(where: int | bytes, flags: int) -> tuple[int, str]:
    """Set flags of a file or folder. Returns those that could not be set, and why."""
    try:
        return _with_open(where, lambda fd: _add(fd, flags))
    except OSError as error:
        return flags, describe(error)


def _add(fd: int, flags: int) -> tuple[int, str]:
    failure: OSError | None = None
    # All at once, or, if that fails, one by one.
    for some in (flags, *_bits(flags)):
        have = _get(fd)
        if not flags & ~have:
            break
        try:
            fcntl.ioctl(fd, _SET_FLAGS, (have | some).to_bytes(8, sys.byteorder))
        except OSError as error:
            failure = error
    left = flags & ~_get(fd)
    return left, describe(failure) if failure else "not supported by the file system"


def _get(fd: int) -> int:
    """All flags, including those that chattr(1) does not set, which are written back unchanged."""
    return int.from_bytes(fcntl.ioctl(fd, _GET_FLAGS, bytes(8))[:4], sys.byteorder)


def _bits(flags: int) -> Iterator[int]:
    return (1 << place for place in range(32) if flags & 1 << place)


def _with_open(where: int | bytes, act: Callable[[int], _T]) -> _T:
    if isinstance(where, int):
        return act(where)
    fd = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return act(fd)
    finally:
        os.close(fd)
