"""When a file was created, where the system and the file system know it."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

from ..moments import within_range

_BTIME: Final = 0x800
"""STATX_BTIME, statx(2): in the request, and in the answer if the file system has it."""
_EMPTY_PATH, _NOT_FOLLOWED = 0x1000, 0x100
_AT_FDCWD: Final = -100
_MASK: Final = struct.Struct("=I")
_TIME: Final = struct.Struct("=qI")
_TIME_AT, _SIZE = 80, 256
"""Where stx_btime is in struct statx, and its size; the same on all architectures."""
_Statx = Callable[[int, bytes, int, object], int]


def read_birth(where: int | bytes) -> int | None:
    """The birth time of a descriptor or path (symlinks not followed), in nanoseconds: the nearest that can be kept.

    None if the system or the file system has none. Precise to a microsecond where the system has seconds only as a
    fraction (macOS, FreeBSD)."""
    if sys.platform == "linux":
        return _read_statx(where)
    try:
        status = os.stat(where, follow_symlinks=isinstance(where, int))
    except OSError:
        return None
    seconds = getattr(status, "st_birthtime", None)
    return None if seconds is None else within_range(round(seconds * 1e6) * 1000)


def _read_statx(where: int | bytes) -> int | None:
    import ctypes

    call = _statx()
    if call is None:
        return None
    answer = ctypes.create_string_buffer(_SIZE)
    at, path = (where, b"") if isinstance(where, int) else (_AT_FDCWD, where)
    if call(at, path, _EMPTY_PATH if isinstance(where, int) else _NOT_FOLLOWED, answer):
        return None
    return born_of(answer.raw)


def born_of(answer: bytes) -> int | None:
    """The birth time in a struct statx, whatever the file system says; None if it says nothing."""
    if not _MASK.unpack_from(answer)[0] & _BTIME:
        return None
    seconds, nanoseconds = _TIME.unpack_from(answer, _TIME_AT)
    return within_range(seconds * 10**9 + nanoseconds)


@cache
def _statx() -> _Statx | None:
    """statx(2), which Python does not offer; None with a C library that has no such function."""
    # Here, because only jobs that ask for birth times need it.
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p)
    return lambda at, path, flags, answer: int(function(at, path, flags, _BTIME, answer))
