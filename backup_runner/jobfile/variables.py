"""Which environment variables a run of a job needs."""

from __future__ import annotations

import re

from ..spec import Job
from .diagnostics import Complaints
from .document import make_document
from .extending import SharedFiles
from .yamltext import parse, read_text

_USED = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def variables_of(path: str, job: Job) -> list[str]:
    """Those in the job file and the files that it extends, and those with its key and the URLs of its notices."""
    complaints = Complaints(path)
    text = read_text(path, complaints)
    shared = SharedFiles(confined=False).extend(make_document(parse(text, complaints), complaints), path, complaints)
    names = set(_USED.findall("\n".join([text, *(one.text for one in shared)])))
    names |= {name for name in (*job.encryption.variables, *(notify.url_env for notify in job.notify)) if name}
    # systemd and cron set this one.
    return sorted(names - {"HOME"})
