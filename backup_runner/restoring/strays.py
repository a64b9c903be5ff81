"""Temporary files of a restore: their names, and those that a killed restore left."""

from __future__ import annotations

import os
import re
import secrets
from itertools import count

_TEMPORARY = re.compile(r"\.([0-9]{1,9})-[0-9a-f]{9,}\.brtmp")


class Names:
    """Names that no stored file has and that are always short enough; each contains the process that writes the
    file."""

    def __init__(self) -> None:
        self._start = f".{os.getpid()}-{secrets.token_hex(4)}".encode()
        self._numbers = count()

    def new(self) -> bytes:
        return b"%b%x.brtmp" % (self._start, next(self._numbers))


def sweep(at: int) -> None:
    """Files of restores whose processes, as in their names, have ended."""
    fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
    try:
        with os.scandir(fd) as entries:
            strays = [one for entry in entries if (one := _TEMPORARY.fullmatch(entry.name))]
        for stray in strays:
            if not _alive(int(stray[1])):
                os.unlink(stray[0], dir_fd=fd)
    finally:
        os.close(fd)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
