"""`target …`: the place where a job's objects lie."""

from __future__ import annotations

import typer

from .options import JobFile, Json
from .output import output

app = typer.Typer(help="The place where a job's objects lie.", no_args_is_help=True, rich_markup_mode=None)


@app.command("check")
def check(job: JobFile, *, json: Json = False) -> int:
    """Try each operation that a job may need on probe objects, which are taken away again. Needs no key.

    Exit 1 if one is missing; for OCI, the policy line that grants it is shown.

    Example: backup-runner target check documents.yaml
    """
    from ..report.permissions import check_fields, check_lines
    from ..targets.checking import check_permissions
    from .jobs import load_job, session_of

    out = output(json=json)
    warn = out.reporter().warn
    with session_of(load_job(job), warn, as_cached=True) as session:
        if absence := session.target.absence:
            warn(f"{absence}; if it belongs on a disk, is that mounted?")
        fields = check_fields(session.target.identity, check_permissions(session.target))
    out.emit(fields)
    out.say(check_lines(fields, out.look))
    return 0 if fields["ok"] else 1
