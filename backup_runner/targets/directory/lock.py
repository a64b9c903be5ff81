"""The lock of a directory target: a separate file, held only for moments."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from ...errors import TargetError, TransientError
from .beneath import Beneath
from .files import LOCK

LOCK_SECONDS = 10.0
"""We hold it for one rename at a time; only another program holds it this long (seconds)."""
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def locked(beneath: Beneath, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the target's lock: among threads, processes, and machines where the file system can.

    Raises TransientError if another program holds it for `seconds`."""
    with beneath.folder() as root:
        descriptor = _open(root, f"{beneath.root}/{LOCK}")
    try:
        _take(descriptor, f"{beneath.root}/{LOCK}", seconds)
        yield
    finally:
        os.close(descriptor)


def _open(root: int, path: str) -> int:
    try:
        try:
            # Not both at once: some systems refuse O_CREAT for another user's file in a world-writable folder.
            descriptor = os.open(LOCK, _OPEN, dir_fd=root)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                return os.open(LOCK, _OPEN | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=root)
            descriptor = os.open(LOCK, _OPEN, dir_fd=root)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise _no_lock(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_lock(path)
    return descriptor


def _take(descriptor: int, path: str, seconds: float) -> None:
    started, pause = time.monotonic(), 0.001
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - started > seconds:
                raise TransientError(
                    f"{path} was locked by another process for {seconds:.0f} s",
                    hint=f"find it with `fuser {path}`; only users who run backups should have write access",
                ) from None
            time.sleep(pause)
            pause = min(0.05, pause * 2)
        else:
            return


def _no_lock(path: str) -> TargetError:
    return TargetError(
        f"{path} is not a regular file, so it cannot be locked",
        hint="check who can write to the bucket's folder, delete it, and run again",
    )
