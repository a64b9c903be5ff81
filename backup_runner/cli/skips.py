"""`skips`: what the skip lines of a job hide."""

from __future__ import annotations

from .options import JobFile, Json
from .output import output


def command(job: JobFile, *, json: Json = False) -> int:
    """Say of each skip line what it hides, in files and bytes, and which lines hide nothing. Reads only the sources.

    Example: backup-runner skips documents.yaml
    """
    from ..planning.skips import survey
    from ..report.explaining import skips_document, skips_lines
    from ..repository.session import Session
    from .jobs import load_job

    out = output(json=json)
    loaded = load_job(job)
    found = survey(loaded, Session(loaded).own_files())
    if out.json:
        out.emit(skips_document(found, loaded))
    else:
        out.say(skips_lines(found, loaded, out.look))
    return 0
