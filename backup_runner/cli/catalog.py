"""`catalog …`: the database that records what is backed up."""

from __future__ import annotations

import typer

from . import importing
from .options import JobFile, Json
from .output import output

app = typer.Typer(help="The database that records what is backed up.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _catalog() -> None:
    """The database that records what is backed up."""


app.command("import-backup-tool")(importing.command)


@app.command("info")
def info(job: JobFile, *, json: Json = False) -> int:
    """Say what the catalog knows: targets, lineages, serials, jobs, snapshots.

    Example: backup-runner catalog info documents.yaml
    """
    from ..report.tables import catalog_fields, catalog_lines
    from .jobs import load_job, session_of

    out = output(json=json)
    with session_of(load_job(job), out.reporter().warn) as session:
        fields = catalog_fields(session.need_catalog())
    if out.json:
        out.emit(fields)
    else:
        out.say(catalog_lines(fields))
    return 0
