"""`catalog import-backup-tool`: go on with what backup-tool stored."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from ..errors import UsageError
from .options import Json, Wait, seconds
from .output import output

_PROBLEMS = 3


def command(
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="A job file; without one, the one-shot commands get the files."),
    ] = None,
    *,
    database: Annotated[
        str | None, typer.Option("--database", metavar="FILE", help="backup-tool's `database_file`; it is only read.")
    ] = None,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out objects that are missing or damaged, and name them.")
    ] = False,
    new_lineage: Annotated[
        bool, typer.Option("--new-lineage", help="Start anew beside what the bucket holds of this job.")
    ] = False,
    wait: Wait = "0",
    json: Json = False,
) -> int:
    """Record the files and objects that backup-tool made, where they lie. Nothing is uploaded or changed there.

    Example: backup-runner catalog import-backup-tool --database ~/.backup-tool/database.sql documents.yaml
    """
    from ..oneshot.jobs import bare_job
    from ..recovery.backup_tool import ImportOptions, import_legacy
    from ..report.imports import import_fields, import_lines
    from .jobs import load_job, session_of
    from .settings import config

    out = output(json=json)
    database = database or config().foreign_database
    if database is None:
        raise UsageError("no database given", hint="give backup-tool's database with --database FILE")
    options = ImportOptions(database, skip_damaged, new_lineage, seconds(wait))
    reporter = out.reporter()
    loaded = bare_job(config()) if job is None else load_job(job)
    with session_of(loaded, reporter.warn) as session, closing(reporter):
        outcome = import_legacy(session, options, reporter)
    out.emit(import_fields(outcome))
    out.say(import_lines(outcome))
    return _PROBLEMS if outcome.problems else 0
