"""`snapshots`: what can be restored."""

from __future__ import annotations

from .options import JobFile, Json
from .output import output


def command(job: JobFile, *, json: Json = False) -> int:
    """List a job's snapshots, oldest first.

    Example: backup-runner snapshots documents.yaml --json
    """
    from ..report.machine import snapshot_fields
    from ..report.tables import snapshot_lines
    from .jobs import load_job, session_of

    out = output(json=json)
    loaded = load_job(job)
    with session_of(loaded, out.reporter().warn) as session:
        catalog, _, job_id = session.need_store()
        found = [snapshot_fields(item, loaded.name) for item in catalog.snapshots(job_id)]
    if out.json:
        out.emit(found)
    else:
        out.say(snapshot_lines(found))
    return 0
