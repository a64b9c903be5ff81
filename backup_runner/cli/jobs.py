"""From job file arguments to jobs, and one exit code for several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import BackupRunnerError, Interrupted
from .exits import WEIGHT
from .output import Output
from .streams import complain, stderr_look

if TYPE_CHECKING:
    from ..api import Job


def load_jobs(paths: Sequence[str], out: Output, *, confined: bool = False) -> list[Job]:
    """The jobs of these files, checked together; all diagnostics are printed. Raises BackupRunnerError.

    `confined` is for commands that read files written by others: no symlink to a file elsewhere is followed."""
    from .. import api

    with mistakes_named("s" if len(paths) > 1 else ""):
        return api.load_jobs(paths, settings=out.settings, confined=confined)


def load_job(path: str, out: Output) -> Job:
    """The one job of a file. Raises BackupRunnerError."""
    return load_jobs([path], out)[0]


@contextmanager
def mistakes_named(plural: str = "") -> Iterator[None]:
    """Prints what is wrong in a job file (or files, with "s"), and raises an error that sums it up."""
    try:
        yield
    except BackupRunnerError as error:
        from ..api import JobFileError

        if not isinstance(error, JobFileError):
            raise
        from ..report.failures import diagnostics_text

        complain([diagnostics_text(error)])
        if error.unread:
            raise BackupRunnerError("no job file was read; nothing was done", hint="see the errors above") from None
        count = len(error.diagnostics)
        raise BackupRunnerError(
            f"{count} error{'s' if count > 1 else ''} in the job file{plural}; nothing was done",
            hint="fix the lines above; `backup-runner validate` checks them offline",
        ) from None


def each_job(jobs: Sequence[Job], work: Callable[[Job], int], out: Output) -> int:
    """Do the work for every job. The error of a job is printed, and the other jobs still run."""
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
    return max(codes, key=WEIGHT.index)
