"""Standard output and standard error themselves, for messages that are independent of a command's output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..report.look import Look


def make_lenient() -> None:
    """Escape characters that the streams' encodings lack, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def stderr_look() -> Look:
    """How text on stderr may look."""
    from ..report.look import look_of

    make_lenient()
    return look_of(sys.stderr, os.environ)


def complain(lines: Iterable[str]) -> None:
    """Print text to stderr, whatever stdout is used for."""
    from ..inert import inert

    stream = sys.stderr
    for line in lines:
        print(inert(line), file=stream)


def flush_or_drop() -> None:
    """Flush stdout, or drop what it still buffers: with a full disk behind it, every later flush would fail."""
    try:
        sys.stdout.flush()
    except OSError:
        quiet_pipe()


def quiet_pipe() -> None:
    """Discard the flush at exit: the reader of our output is gone, which is not an error."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
