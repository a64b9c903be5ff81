"""The config file, and what stands before the command: read once, when a command first asks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from ..errors import BackupRunnerError

if TYPE_CHECKING:
    from ..jobfile.configfile import Config
    from ..spec import Job


@dataclass(slots=True)
class Chosen:
    """`verbosity` is -1 (quiet), 0 or 1 (debug on the console)."""

    path: str | None = None
    overrides: list[str] = field(default_factory=list)
    verbosity: int = 0
    log_json: bool = False


chosen = Chosen()


@cache
def config() -> Config:
    """The settings. What is wrong with the file is printed. Raises BackupRunnerError."""
    from ..jobfile import JobFileError
    from ..jobfile.configfile import load_config
    from .output import complain

    try:
        found = load_config(chosen.path, env=os.environ, overrides=chosen.overrides)
    except JobFileError as error:
        from ..jobfile.render import render_text

        complain([render_text(list(error.diagnostics), error.sources)])
        hint = "mend the lines named above, or name another file with --config"
        raise BackupRunnerError("the config file has errors; nothing was done", hint=hint) from None
    if found.notice and chosen.verbosity >= 0:
        complain([found.notice])
    return found


def defaults() -> dict[str, object]:
    """What config file and command line say, for jobs to fill up with."""
    from ..jobfile.configfile import job_defaults

    return job_defaults(config())


def overridden(job: Job) -> Job:
    """The job with what the command line says in place of what the job file says."""
    overrides = config().overrides()
    if not overrides:
        return job
    from ..oneshot.jobs import override_job

    return override_job(job, config())
