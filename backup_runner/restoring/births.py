"""Sets when a file was created, where the system has a call for it: macOS and FreeBSD, not Linux."""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress

from ..foreign import describe
from ..source.births import read_birth

SETTABLE = sys.platform == "darwin" or sys.platform.startswith("freebsd")
_NEAR_NS = 10**9
"""Some file systems keep whole seconds."""
_ATTRLIST = struct.pack("=HHIIIII", 5, 0, 0x200, 0, 0, 0, 0)
"""struct attrlist of setattrlist(2): ATTR_BIT_MAP_COUNT, then ATTR_CMN_CRTIME as the only attribute."""
_NOT_FOLLOWED = 1
"""FSOPT_NOFOLLOW"""


def differs(where: int | bytes, time_ns: int | None) -> bool:
    """Whether a file has another birth time than the snapshot, and this system could set it."""
    return SETTABLE and time_ns is not None and _far(where, time_ns)


def set_birth(where: int | bytes, time_ns: int, mtime_ns: int) -> str | None:
    """Set the birth time, once nothing else changes times; `mtime_ns` is set, too. Returns why it could not be set,
    None if the file has it."""
    if not _far(where, time_ns):
        return None
    if not SETTABLE:
        return "this system cannot set it"
    why = "not supported by the file system"
    try:
        if sys.platform == "darwin":
            _set_attrlist(where, time_ns)
        else:
            # utimensat(2) of FreeBSD: a birth time is never later than the mtime, and goes back with it.
            os.utime(where, ns=(time_ns, time_ns))
    except OSError as error:
        why = describe(error)
    if sys.platform != "darwin":
        with suppress(OSError, OverflowError):
            os.utime(where, ns=(mtime_ns, mtime_ns))
    return why if _far(where, time_ns) else None


def _far(where: int | bytes, time_ns: int) -> bool:
    there = read_birth(where)
    return there is None or abs(there - time_ns) >= (_NEAR_NS if SETTABLE else 1)


def _set_attrlist(where: int | bytes, time_ns: int) -> None:
    """setattrlist(2) of macOS."""
    import ctypes

    system = ctypes.CDLL(None, use_errno=True)
    value = struct.pack("=qq", *divmod(time_ns, 10**9))
    rest = (_ATTRLIST, value, ctypes.c_size_t(len(value)), _NOT_FOLLOWED)
    failed = system.fsetattrlist(where, *rest) if isinstance(where, int) else system.setattrlist(where, *rest)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
