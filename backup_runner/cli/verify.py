"""`verify`: is what the catalog counts on really in the bucket, and whole?"""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer

from ..errors import Interrupted
from .options import JobFile, Json, Workers, share, worker_count
from .output import output

_FAILED = 3


class Level(StrEnum):
    """How deep to look: the engine's levels, without importing the engine for `--help`."""

    LISTING = "listing"
    HEADERS = "headers"
    DATA = "data"


def command(
    job: JobFile,
    *,
    level: Annotated[
        Level, typer.Option(help="listing: names, sizes, checksums; headers: also open headers; data: read everything.")
    ] = Level.LISTING,
    sample: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Open only a random share of the objects, such as 5%.")
    ] = None,
    workers: Workers = None,
    json: Json = False,
) -> int:
    """Compare the bucket with the catalog. Exit 3 if something is missing or damaged.

    Example: backup-runner verify documents.yaml --level data --sample 5%
    """
    fraction = share(sample) if sample else None
    from ..report.machine import verify_documents
    from ..report.results import verify_lines
    from ..verifying.run import Level as EngineLevel
    from ..verifying.run import VerifyOptions, verify
    from ..workers.interrupt import Interrupt
    from .jobs import load_job, session_of
    from .signals import first_notice, second_notice

    out = output(json=json)
    loaded = load_job(job)
    reporter = out.reporter()
    with Interrupt(first_notice, second_notice("nothing was changed"), lasting=True) as interrupt:
        options = VerifyOptions(
            level=EngineLevel(level), sample=fraction, workers=worker_count(workers), stop=interrupt.stop
        )
        with session_of(loaded, reporter.warn, events=reporter) as session, closing(reporter):
            outcome = verify(session, options, reporter)
    for document in verify_documents(outcome):
        out.emit(document)
    out.say(verify_lines(outcome, out.look))
    if outcome.interrupted:
        raise Interrupted("interrupted; not everything was verified", hint="`--sample 5%` verifies only a part")
    return _FAILED if outcome.damaged or outcome.files else 0
