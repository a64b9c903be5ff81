"""Hooks, notices and metrics around a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..progress import Events
from ..spec import Job, RunCommand

if TYPE_CHECKING:
    from ..runs.watch import Watch


@contextmanager
def watching(
    job: Job, events: Events, show: Callable[[str], None] | None, command: RunCommand = RunCommand.APPLY
) -> Iterator[Watch | None]:
    """Hooks, notices and metrics around a run of this command; not loaded for jobs that have none."""
    if not (job.hooks or job.notify or job.metrics_file):
        yield None
        return
    from ..runs.watch import Watch

    with Watch(job, events.warn, show or (lambda _: None), command).around() as watch:
        yield watch
