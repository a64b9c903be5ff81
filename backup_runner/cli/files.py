"""Files that commands write what they show to."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UsageError
from .output import Output


class _FileOutput(Output):
    """Text and JSON alike into one file."""

    def raw(self, data: bytes) -> None:
        self.human.flush()
        self.human.buffer.write(data)


@contextmanager
def written(path: str) -> Iterator[Output]:
    """An output whose file is there whole, under its name, or not at all. Raises UsageError if it cannot be written."""
    from ..report.look import Look

    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        file = open(temporary, "x", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", hint="name a file in a folder that is there"
        ) from None
    try:
        with file:
            yield _FileOutput(json=True, human=file, look=Look())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
