"""Open a path without following any symlink in it, so that swapping a folder for a symlink has no effect.

Linux does this in one call, openat2(2), which Python does not offer; elsewhere each folder is opened in turn.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Final

from .errors import OddFileError

PATH_LIMIT: Final = 4095 if sys.platform == "linux" else 1023
"""Longest path the system takes in one call, in bytes (PATH_MAX counts the closing NUL)."""
STEP: Final = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", os.O_RDONLY)
"""Flags for a folder that is only passed through."""

_OPENAT2: Final = 437
"""The system call's number, the same on all architectures that Python supports on Linux."""
_AT_FDCWD: Final = -100
_NO_SYMLINKS, _BENEATH = 0x04, 0x08
_Opener = Callable[[bytes, int, int, int | None], int]


def open_beneath(path: bytes, flags: int, mode: int = 0, *, at: int | None = None) -> int:
    """Open `path`, below the folder that is open as `at` or absolute, and return the descriptor. Raises OSError.

    A symlink anywhere in the path, the last name included, is ELOOP (or ENOTDIR, where each folder is opened in
    turn); `..` is EXDEV. Paths may be longer than the system takes in one call."""
    try:
        return _open(path, flags, mode, at)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        text = "it or a folder above it became a symlink, which is not followed"
        raise OddFileError(errno.ELOOP, text, path) from None


def _open(path: bytes, flags: int, mode: int, at: int | None) -> int:
    if b"\0" in path or (at is None) != path.startswith(b"/"):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    if b".." in path and b".." in path.split(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    opener = _openat2() or _step_by_step
    if len(path) <= PATH_LIMIT:
        return opener(path, flags, mode, at)
    with contextlib.ExitStack() as steps:
        while len(path) > PATH_LIMIT:
            cut = path.rfind(b"/", 1, PATH_LIMIT)
            if cut < 0:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
            step = opener(path[:cut], STEP, 0, at)
            # Only the last one is needed, but a path of a megabyte has no more than 300 of them.
            steps.callback(os.close, step)
            at, path = step, path[cut:].lstrip(b"/")
        return opener(path, flags, mode, at)


def _step_by_step(path: bytes, flags: int, mode: int, at: int | None) -> int:
    """The same with one call per component."""
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    folder = os.open(b"/", STEP) if at is None else os.dup(at)
    try:
        for name in names[:-1]:
            below = os.open(name, STEP, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(names[-1] if names else b".", flags | os.O_NOFOLLOW, mode, dir_fd=folder)
    finally:
        os.close(folder)


@cache
def _openat2() -> _Opener | None:
    """openat2(2), or None where the system does not have it or a sandbox does not let it through."""
    if sys.platform != "linux":
        return None
    import ctypes

    class How(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    call = ctypes.CDLL(None, use_errno=True).syscall
    length = ctypes.sizeof(How)

    def openat2(path: bytes, flags: int, mode: int, at: int | None) -> int:
        resolve = _NO_SYMLINKS if at is None else _NO_SYMLINKS | _BENEATH
        how = How(flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, resolve)
        while (fd := int(call(_OPENAT2, _AT_FDCWD if at is None else at, path, ctypes.byref(how), length))) < 0:
            number = ctypes.get_errno()
            # EAGAIN: something was renamed on the way, and the kernel cannot tell whether the path left the folder.
            if number not in (errno.EINTR, errno.EAGAIN):
                raise OSError(number, os.strerror(number), path)
        return fd

    try:
        os.close(openat2(b"/", STEP, 0, None))
    except OSError:
        return None
    return openat2


def leads_elsewhere(path: str) -> bool:
    """Whether a symlink leads out of the current folder or, for a file outside it, out of the file's own folder."""
    if "\0" in path:
        return False
    real, here = os.path.realpath(path), os.getcwd()
    if _is_below(real, os.path.realpath(here)):
        return False
    if _is_below(os.path.abspath(path), here):
        return True
    return not _is_below(real, os.path.realpath(os.path.dirname(os.path.abspath(path))))


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
