"""`target …`: the place where a job's objects lie."""

from __future__ import annotations

import typer

from .. import api
from .jobs import load_job
from .options import JobFile, Json
from .output import output

app = typer.Typer(help="The place where a job's objects lie.", no_args_is_help=True, rich_markup_mode=None)


@app.command("check")
def check(context: typer.Context, job: JobFile, *, json: Json = False) -> int:
    """Try each operation that a job may need on probe objects, which are taken away again. Needs no key.

    Exit 1 if one is missing; for OCI, the policy line that grants it is shown.

    Example: backup-runner target check documents.yaml
    """
    from ..report.permissions import check_fields, check_lines

    out = output(context, json=json)
    found = api.check_target(load_job(job, out), events=out.reporter())
    fields = check_fields(found.target, found.checks)
    out.emit(fields)
    out.say(check_lines(fields, out.look))
    return 0 if found.ok else 1
