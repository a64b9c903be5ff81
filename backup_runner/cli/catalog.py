"""`catalog …`: the database that records what is backed up."""

from __future__ import annotations

import typer

from .. import api
from . import importing, recovery
from .jobs import load_job
from .options import JobFile, Json
from .output import output

app = typer.Typer(help="The database that records what is backed up.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _catalog() -> None:
    """The database that records what is backed up."""


app.command("import-backup-tool")(importing.command)


@app.command("info")
def info(context: typer.Context, job: JobFile, *, json: Json = False) -> int:
    """Show what the catalog knows: targets, lineages, serials, jobs, snapshots.

    If there is no catalog here, or it does not know the job, show what the bucket contains.

    Example: backup-runner catalog info documents.yaml
    """
    from ..report.recovered import lineage_fields, lineage_lines
    from ..report.tables import catalog_fields, catalog_lines

    out = output(context, json=json)
    found = api.catalog_info(load_job(job, out), events=out.reporter())
    fields = catalog_fields(found.catalog)
    bucket = None if found.bucket is None else lineage_fields(found.bucket)
    out.emit(fields | {"bucket": bucket})
    if not out.json:
        out.say(catalog_lines(fields))
        if bucket is not None:
            out.say(lineage_lines(found.target, bucket))
    return 0


app.command("pull")(recovery.pull)
app.command("rebuild")(recovery.rebuild)
