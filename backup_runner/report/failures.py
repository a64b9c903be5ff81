"""Errors as text: what happened, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import BackupRunnerError
from ..foreign import describe, place
from . import escape
from .look import Look

if TYPE_CHECKING:
    from ..jobfile import JobFileError, LoadResult

DEBUG = "BACKUP_RUNNER_DEBUG"


def error_lines(error: BackupRunnerError, look: Look) -> Iterator[str]:
    """`error: message`, more lines indented below it, `hint: what to do`."""
    first, *more = escape.lines(error.message).split("\n")
    yield f"{look.paint('error:', 'red', 'bold')} {first}"
    for text in more:
        yield f"  {text}"
    if error.hint:
        yield f"  {look.paint('hint:', 'cyan')} {escape.one_line(error.hint)}"


def diagnostics_text(found: JobFileError | LoadResult) -> str:
    """All that is wrong in job or config files, each with its place."""
    from ..jobfile.render import render_text

    return render_text(found.diagnostics, found.sources)


def unexpected_lines(error: BaseException, look: Look) -> Iterator[str]:
    """A bug: its type and place, and how to get a traceback. Its text is not shown, it could contain anything."""
    where = f" at {place(error)}" if place(error) else ""
    yield f"{look.paint('error:', 'red', 'bold')} unexpected {escape.one_line(describe(error))}{where}"
    yield f"  {look.paint('hint:', 'cyan')} this is a bug in backup-runner; set {DEBUG}=1 for a traceback to report"
