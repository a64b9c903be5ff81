"""New files: one that replaces another atomically, and one without a name."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

PRIVATE = 0o600


@contextmanager
def replacing(path: str, *, mode: int = PRIVATE, temporary: str = "") -> Iterator[IO[bytes]]:
    """A new file that replaces `path` when the block ends without an error. Raises OSError.

    `temporary` is its name until then, which only one process at a time may use; an existing file of that name is
    removed, never written to. By default, the name is random."""
    if temporary:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    else:
        temporary = f"{path}.{secrets.token_hex(8)}.tmp"
    # O_EXCL does not follow a symlink that was put there since.
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        with os.fdopen(fd, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def unnamed(folder: str) -> IO[bytes]:
    """A temporary file without a name, on the disk of `folder`, which need not exist. Raises OSError.

    A folder that does not exist is not created: not every file system has files without a name (O_TMPFILE), so
    processes could not agree on who removes it again."""
    while not os.path.isdir(folder) and folder != (parent := os.path.dirname(folder) or os.curdir):
        folder = parent
    return tempfile.TemporaryFile(dir=folder)
