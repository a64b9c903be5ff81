"""From job file arguments to open sessions, and one exit code for several jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import BackupRunnerError, Interrupted
from .output import Output, complain, stderr_look

if TYPE_CHECKING:
    from ..progress import Events
    from ..repository.session import Session
    from ..spec import Job

_SEVERITY = (0, 2, 3, 4, 5, 6, 1)
"""Exit codes by weight: of several jobs the heaviest is the command's."""


def load_jobs(paths: Sequence[str]) -> list[Job]:
    """The jobs of these files, checked together; every complaint is printed. Raises BackupRunnerError."""
    from ..jobfile import load
    from ..jobfile.render import render_text
    from ..jobfile.rules import UNREADABLE
    from .settings import defaults, overridden

    result = load(paths, env=os.environ, defaults=defaults())
    errors = [item for item in result.diagnostics if item.severity == "error"]
    if errors:
        complain([render_text(errors, result.sources)])
        if all(item.code == UNREADABLE for item in errors):
            raise BackupRunnerError("no job file was read; nothing was done", hint="see the errors above")
        plural = "s" if len(errors) > 1 else ""
        raise BackupRunnerError(
            f"{len(errors)} error{plural} in the job file{'s' if len(paths) > 1 else ''}; nothing was done",
            hint="fix the lines above; `backup-runner validate` checks them offline",
        )
    return [overridden(job) for job in result.jobs]


def load_job(path: str) -> Job:
    """The one job of a file. Raises BackupRunnerError."""
    return load_jobs([path])[0]


@contextmanager
def session_of(
    job: Job, warn: Callable[[str], None], *, events: Events | None = None, as_cached: bool = False
) -> Iterator[Session]:
    """A session that is closed again. A remote catalog is brought up to date first, unless `as_cached`."""
    from ..repository.session import Session

    session = Session(job, warn=warn)
    try:
        if job.catalog.remote and not as_cached:
            from ..progress import Silent
            from ..recovery.remote import refresh

            refresh(session, events or Silent())
        yield session
    except Exception as error:
        from ..catalog.failures import explained

        if told := explained(error, job.catalog.path):
            raise told from error
        raise
    finally:
        session.close()


def each_job(jobs: Sequence[Job], work: Callable[[Job], int], out: Output) -> int:
    """Do the work for every job; one that fails is told and does not keep the others from their turn."""
    if len(jobs) == 1:
        return work(jobs[0])
    from ..report.failures import error_lines

    codes = []
    for number, job in enumerate(jobs):
        if number:
            out.say([""])
        try:
            codes.append(work(job))
        except Interrupted:
            raise
        except BackupRunnerError as error:
            complain([f'job "{job.name}":', *error_lines(error, stderr_look())])
            codes.append(error.exit_code)
    return max(codes, key=_SEVERITY.index)
