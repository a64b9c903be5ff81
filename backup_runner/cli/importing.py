"""`catalog import-backup-tool`: continue with what backup-tool stored."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from .. import api
from ..errors import UsageError
from .exits import exit_code
from .jobs import load_job
from .options import Json, Wait, seconds
from .output import output


def command(
    context: typer.Context,
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="[JOB]", help="A job file. Without one, the files are listed under the one-shot commands."
        ),
    ] = None,
    *,
    database: Annotated[
        str | None, typer.Option("--database", metavar="FILE", help="backup-tool's `database_file`. It is not changed.")
    ] = None,
    skip_damaged: Annotated[
        bool,
        typer.Option(
            "--skip-damaged", help="Import everything else if objects are missing or damaged, and list those."
        ),
    ] = False,
    new_lineage: Annotated[
        bool,
        typer.Option("--new-lineage", help="Start a new lineage, even if the bucket already has backups of this job."),
    ] = False,
    wait: Wait = "0",
    json: Json = False,
) -> int:
    """Add the backups that backup-tool made to the catalog. Its objects stay where they are; nothing is uploaded.

    Example: backup-runner catalog import-backup-tool --database ~/.backup-tool/database.sql documents.yaml
    """
    from ..api.oneshot import job_of_settings
    from ..report.imports import import_fields, import_lines

    out = output(context, json=json)
    database = database or out.settings.foreign_database
    if database is None:
        raise UsageError("no database given", hint="give backup-tool's database with --database FILE")
    options = api.ImportOptions(database, skip_damaged, new_lineage, seconds(wait))
    loaded = job_of_settings(out.settings) if job is None else load_job(job, out)
    with closing(out.reporter()) as reporter:
        outcome = api.import_backup_tool(loaded, options, events=reporter)
    out.emit(import_fields(outcome))
    out.say(import_lines(outcome))
    return exit_code(outcome)
