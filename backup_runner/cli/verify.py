"""`verify`: is everything that the catalog lists in the bucket, and undamaged?"""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from .. import api
from ..errors import Interrupted
from .exits import exit_code
from .jobs import load_job
from .options import JobFile, Json, Level, Workers, share
from .outcomes import interrupt, show_hook_output
from .output import output


def command(
    context: typer.Context,
    job: JobFile,
    *,
    level: Annotated[
        Level,
        typer.Option(
            help="listing: check names, sizes and checksums; headers: also read headers; data: read everything."
        ),
    ] = Level.LISTING,
    sample: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Read only a random sample of the objects, such as 5%.")
    ] = None,
    workers: Workers = None,
    json: Json = False,
) -> int:
    """Check that the bucket has everything that the catalog lists. Exit 3 if something is missing or damaged.

    Example: backup-runner verify documents.yaml --level data --sample 5%
    """
    from ..report.machine import verify_documents
    from ..report.results import verify_lines

    options = api.VerifyOptions(level=api.Level(level), sample=share(sample) if sample else None, workers=workers)
    out = output(context, json=json)
    loaded = load_job(job, out)
    with closing(out.reporter()) as reporter:
        stop = interrupt("nothing was changed")
        outcome = api.verify(loaded, options, events=reporter, stop=stop, hook_output=show_hook_output)
    for document in verify_documents(outcome):
        out.emit(document)
    out.say(verify_lines(outcome, out.look))
    if outcome.interrupted:
        raise Interrupted("interrupted; not everything was verified", hint="`--sample 5%` verifies only a part")
    return exit_code(outcome)
