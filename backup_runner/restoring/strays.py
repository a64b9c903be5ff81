"""Temporary files of a restore: their names, and those that a killed restore left."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable
from itertools import count

_TEMPORARY = re.compile(rb"\.([0-9]{1,7})-[0-9a-f]{9,}\.brtmp")


class Names:
    """Names that no stored file has and that are always short enough; each contains the process that writes the
    file."""

    def __init__(self) -> None:
        self._start = f".{os.getpid()}-{secrets.token_hex(4)}".encode()
        self._numbers = count()

    def new(self) -> bytes:
        return b"%b%x.brtmp" % (self._start, next(self._numbers))


def sweep(at: int, known: Callable[[bytes], bool], *, ours: bool) -> None:
    """Delete files of restores whose processes, as in their names, have ended; not those with `known` names, which are
    the user's. `ours`: a restore created the folder and has not finished it, so nobody else has files there."""
    fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
    try:
        with os.scandir(fd) as entries:
            strays = [one for entry in entries if (one := _TEMPORARY.fullmatch(os.fsencode(entry.name)))]
        for stray in strays:
            if _alive(int(stray[1])) or known(stray[0]):
                continue
            if ours or _unfinished(os.stat(stray[0], dir_fd=fd, follow_symlinks=False)):
                os.unlink(stray[0], dir_fd=fd)
    finally:
        os.close(fd)


def _unfinished(there: os.stat_result) -> bool:
    """Whether a file has the owner and the mode of one that is still written."""
    return there.st_mode == stat.S_IFREG | 0o600 and there.st_uid == os.geteuid()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
