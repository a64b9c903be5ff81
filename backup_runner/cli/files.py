"""Files to which commands write their output."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..errors import UsageError
from ..foreign import describe
from .output import Output


class _FileOutput(Output):
    """Writes text and JSON into one file."""

    def raw(self, data: bytes) -> None:
        self.human.flush()
        self.human.buffer.write(data)


def check_goal(path: str, inputs: Sequence[str]) -> None:
    """Before a long run, check that `path` can be written and is not one of `inputs`, which it would replace.

    Raises UsageError."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise cannot_write(path, f"the folder {folder} does not exist") from None
        return
    except OSError as error:
        raise cannot_write(path, describe(error)) from None
    if not stat.S_ISREG(there.st_mode):
        raise cannot_write(path, "it is not a regular file")
    if any(os.path.exists(one) and os.path.samefile(path, one) for one in inputs):
        raise UsageError(f"{path} is the input and would be overwritten", hint="name another file")


def cannot_write(path: str, why: str | None) -> UsageError:
    """The error for an output file."""
    return UsageError(f"cannot write {path}: {why}", hint="use an existing folder")


@contextmanager
def written(path: str) -> Iterator[Output]:
    """An output file that appears under its name only when it is complete. Raises UsageError if it cannot be
    written."""
    from ..replacing import replacing
    from ..report.look import Look

    with contextlib.ExitStack() as opened:
        try:
            raw = opened.enter_context(replacing(path))
        except OSError as error:
            raise cannot_write(path, describe(error)) from None
        file = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
        yield _FileOutput(json=True, human=file, look=Look())
        file.flush()
        file.detach()
