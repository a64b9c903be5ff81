"""`target …`: the bucket or folder that a job stores its objects in."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import api
from .jobs import load_job
from .options import JobFile, Json
from .output import output

app = typer.Typer(
    help="The bucket or folder that a job stores its objects in.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("check")
def check(
    context: typer.Context,
    job: JobFile,
    *,
    write_only: Annotated[
        bool,
        typer.Option("--write-only", help="This host should not be able to read, replace or delete: exit 1 if it is."),
    ] = False,
    json: Json = False,
) -> int:
    """Test every operation that a job may need, on probe objects that are then deleted. Needs no key.

    Exit 1 if one fails. For OCI, the policy statement that grants it is shown. A host that has only public keys is
    expected to be write-only; permissions beyond that are a warning.

    Example: backup-runner target check documents.yaml
    """
    from ..report.permissions import check_fields, check_lines

    out = output(context, json=json)
    found = api.check_target(load_job(job, out), write_only=write_only, events=out.reporter())
    out.emit(check_fields(found))
    out.say(check_lines(found, out.look))
    return 0 if found.ok else 1
