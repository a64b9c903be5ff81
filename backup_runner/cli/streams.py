"""Standard error and output themselves, for what must be said whatever a command's output is."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..report.look import Look


def make_lenient() -> None:
    """Characters that the streams' encodings lack are escaped rather than failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def stderr_look() -> Look:
    """How text on stderr may look."""
    from ..report.look import look_of

    make_lenient()
    return look_of(sys.stderr, os.environ)


def complain(lines: Iterable[str]) -> None:
    """Text on stderr, whatever stdout is for."""
    from ..inert import inert

    stream = sys.stderr
    for line in lines:
        print(inert(line), file=stream)


def flush_or_drop() -> None:
    """Write out what stdout still holds, or let it go: with a full disk behind it, every later flush would fail."""
    try:
        sys.stdout.flush()
    except OSError:
        quiet_pipe()


def quiet_pipe() -> None:
    """Let the exit flush go nowhere: whoever read our output has gone, and that is no error to report."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
