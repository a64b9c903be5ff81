"""Errors as text: what happened, where, what now."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import BackupRunnerError
from ..foreign import describe, place
from . import escape
from .look import Look

DEBUG = "BACKUP_RUNNER_DEBUG"


def error_lines(error: BackupRunnerError, look: Look) -> Iterator[str]:
    """`error: what`, more lines indented below it, `hint: what now`."""
    first, *more = escape.lines(error.message).split("\n")
    yield f"{look.paint('error:', 'red', 'bold')} {first}"
    for text in more:
        yield f"  {text}"
    if error.hint:
        yield f"  {look.paint('hint:', 'cyan')} {escape.one_line(error.hint)}"


def unexpected_lines(error: BaseException, look: Look) -> Iterator[str]:
    """A fault of ours: its kind and place in a line, and how to get the trace. Its text could hold anything."""
    where = f" at {place(error)}" if place(error) else ""
    yield f"{look.paint('error:', 'red', 'bold')} unexpected {escape.one_line(describe(error))}{where}"
    yield f"  {look.paint('hint:', 'cyan')} this is a bug in backup-runner; set {DEBUG}=1 for a traceback to report"
