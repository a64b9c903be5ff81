"""Which environment variables a run of a job needs."""

from __future__ import annotations

import re

from ..spec import Job
from .diagnostics import Complaints
from .yamltext import read_text

_USED = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def variables_of(path: str, job: Job) -> list[str]:
    """Those in the job file's paths, and those with its key and the URLs of its notices."""
    names = set(_USED.findall(read_text(path, Complaints(path))))
    names |= {name for name in (*job.encryption.variables, *(notify.url_env for notify in job.notify)) if name}
    # systemd and cron set this one.
    return sorted(names - {"HOME"})
