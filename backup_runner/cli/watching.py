"""Hooks, notices and metrics around an apply; nothing of them is loaded for jobs that have none."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from .output import Output, complain

if TYPE_CHECKING:
    from ..runs.watch import Watch
    from ..spec import Job


def watching(job: Job, out: Output) -> AbstractContextManager[Watch | None]:
    """Everything inside is a run. Raises HookError if `before` or `after` fails."""
    if not (job.hooks or job.notify or job.metrics_file):
        return nullcontext(None)
    from ..runs.watch import Watch

    reporter = out.reporter()
    return Watch(job, reporter.warn, _show).around()


def _show(tail: str) -> None:
    from ..report import escape

    if tail:
        complain(["its last lines were:", *(f"  {escape.one_line(line)}" for line in tail.splitlines())])
