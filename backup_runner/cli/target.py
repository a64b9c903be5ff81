"""`target …`: the bucket or folder that a job stores its objects in."""

from __future__ import annotations

import typer

from .. import api
from .jobs import load_job
from .options import JobFile, Json
from .output import output

app = typer.Typer(
    help="The bucket or folder that a job stores its objects in.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("check")
def check(context: typer.Context, job: JobFile, *, json: Json = False) -> int:
    """Test every operation that a job may need, on probe objects that are then deleted. Needs no key.

    Exit 1 if one fails. For OCI, the policy statement that grants it is shown.

    Example: backup-runner target check documents.yaml
    """
    from ..report.permissions import check_fields, check_lines

    out = output(context, json=json)
    found = api.check_target(load_job(job, out), events=out.reporter())
    fields = check_fields(found.target, found.checks)
    out.emit(fields)
    out.say(check_lines(fields, out.look))
    return 0 if found.ok else 1
