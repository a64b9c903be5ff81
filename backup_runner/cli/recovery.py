"""`catalog pull` and `catalog rebuild`: get the catalog back from the bucket."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from ..errors import UsageError
from .exits import NOT_DONE, exit_code
from .jobs import load_job
from .options import JobFile, Json, ThawHours, Yes
from .output import Output, output

if TYPE_CHECKING:
    from ..api import Recovered

Lineage = Annotated[
    str, typer.Option(metavar="ID", help="The lineage to use. Default: the one with this job that was written last.")
]
ThawRecords = Annotated[bool, typer.Option("--thaw", help="Request that archived records be made readable.")]


def pull(
    context: typer.Context,
    job: JobFile,
    *,
    min_serial: Annotated[
        int, typer.Option(metavar="N", min=0, help="Fail if the newest record in the bucket is older than N.")
    ] = 0,
    until: Annotated[
        int, typer.Option(metavar="N", min=0, help="Fetch the state at serial N, to restore from it.")
    ] = 0,
    lineage: Lineage = "",
    thaw: ThawRecords = False,
    thaw_hours: ThawHours = 24,
    json: Json = False,
) -> int:
    """Fetch the catalog from the bucket: the newest full copy and the records after it. Needs only job file and key.

    Example: backup-runner catalog pull documents.yaml
    """
    out = output(context, json=json)
    loaded = load_job(job, out)
    with closing(out.reporter()) as reporter:
        found = api.pull(
            loaded,
            min_serial=min_serial,
            until=until,
            lineage=lineage,
            thaw_hours=thaw_hours if thaw else None,
            events=reporter,
        )
    _tell(found, out)
    return 0


def rebuild(
    context: typer.Context,
    job: JobFile,
    *,
    lineage: Lineage = "",
    thaw: ThawRecords = False,
    thaw_hours: ThawHours = 24,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Rebuild the catalog from the records in the bucket or, where these are missing, from the objects themselves.

    Use it if `catalog pull` fails. Exit 3 if something is missing; the output lists it.

    Example: backup-runner catalog rebuild documents.yaml
    """
    out = output(context, json=json)
    loaded = load_job(job, out)
    with closing(out.reporter()) as reporter:
        agreed = None if yes else partial(_agreed, loaded.catalog.path, out)
        found = api.rebuild(
            loaded, lineage=lineage, thaw_hours=thaw_hours if thaw else None, events=reporter, review=agreed
        )
    if found is None:
        out.say(["Not rebuilt; nothing was changed."])
        return NOT_DONE
    _tell(found, out)
    return exit_code(found)


def _agreed(path: str, out: Output) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            f"{path} already exists, and there is no terminal to ask whether to replace it",
            hint="use --yes to rebuild without asking; `catalog pull JOB` fetches only newer records",
        )
    print(f"Replace this lineage in {path}? [y/N] ", end="", file=out.human, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _tell(found: Recovered, out: Output) -> None:
    from ..report.recovered import recovered_fields, recovered_lines

    now_ns = time.time_ns()
    out.emit(recovered_fields(found, now_ns))
    out.say(recovered_lines(found, now_ns, out.look))
