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
    """A temporary file without a name. The folder is created if necessary, and removed again."""
    while True:
        made = False
        try:
            with contextlib.suppress(FileExistsError):
                os.makedirs(folder, mode=0o700)
                made = True
            return tempfile.TemporaryFile(dir=folder)
        except FileNotFoundError:
            # Another run removed the folder at this very moment.
            continue
        finally:
            if made:
                # The file does without a folder, like every file that was deleted while it is open.
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
