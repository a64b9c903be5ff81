"""`catalog …`: the database that records what is backed up."""

from __future__ import annotations

from typing import Any

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

    Without a catalog here, or with one that does not know the job, it says what the bucket holds.

    Example: backup-runner catalog info documents.yaml
    """
    from ..recovery.survey import survey
    from ..report.recovered import lineage_fields, lineage_lines
    from ..report.tables import catalog_fields, catalog_lines
    from .jobs import load_job, session_of

    out = output(json=json)
    with session_of(load_job(job), out.reporter().warn, as_cached=True) as session:
        catalog = session.catalog()
        path = session.job.catalog.path
        absent: dict[str, Any] = {"catalog": path, "format": None, "migrated_from": None, "stores": []}
        fields = catalog_fields(catalog) if catalog else absent
        bucket = None if session.store() else lineage_fields(survey(session))
        target = session.target.identity
    out.emit(fields | {"bucket": bucket})
    if not out.json:
        out.say(catalog_lines(fields))
        if bucket is not None:
            out.say(lineage_lines(target, bucket))
    return 0
