"""`snapshots`: what can be restored."""

from __future__ import annotations

import typer

from .. import api
from .jobs import load_job
from .options import JobFile, Json
from .output import output


def command(context: typer.Context, job: JobFile, *, json: Json = False) -> int:
    """List a job's snapshots, oldest first.

    Example: backup-runner snapshots documents.yaml --json
    """
    from ..report.machine import snapshot_fields
    from ..report.tables import snapshot_lines

    out = output(context, json=json)
    loaded = load_job(job, out)
    found = [snapshot_fields(one, loaded.name) for one in api.snapshots(loaded, events=out.reporter())]
    if out.json:
        out.emit(found)
    else:
        out.say(snapshot_lines(found))
    return 0
