"""`skips`: what the skip lines of a job exclude."""

from __future__ import annotations

import typer

from .. import api
from .jobs import load_jobs
from .options import JobFile, Json
from .output import output


def command(context: typer.Context, job: JobFile, *, json: Json = False) -> int:
    """Show how many files and bytes each skip line excludes, and which lines match nothing. Reads only the sources.

    Example: backup-runner skips documents.yaml
    """
    from ..report.explaining import skips_document, skips_lines

    out = output(context, json=json)
    [loaded] = load_jobs([job], out, confined=True)
    found = api.skips(loaded)
    if out.json:
        out.emit(skips_document(found, loaded))
    else:
        out.say(skips_lines(found, loaded, out.look))
    return 0
