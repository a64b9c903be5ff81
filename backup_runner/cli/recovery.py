"""`catalog pull` and `catalog rebuild`: the catalog again, from what the bucket holds."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .options import JobFile, Json, ThawHours, Yes
from .output import Output, output

if TYPE_CHECKING:
    from ..recovery.choose import Recovered
    from ..repository.session import Session

_INCOMPLETE = 3
_NOT_DONE = 1

Lineage = Annotated[
    str, typer.Option(metavar="ID", help="Which lineage; by default the one that has this job, written to last.")
]
ThawRecords = Annotated[bool, typer.Option("--thaw", help="Ask for archived records to be made readable.")]


def pull(
    job: JobFile,
    *,
    min_serial: Annotated[
        int, typer.Option(metavar="N", min=0, help="Refuse a bucket whose newest record is older than this.")
    ] = 0,
    lineage: Lineage = "",
    thaw: ThawRecords = False,
    thaw_hours: ThawHours = 24,
    json: Json = False,
) -> int:
    """Fetch the catalog from the bucket: the newest full copy and the records after it. Needs job file and key only.

    Example: backup-runner catalog pull documents.yaml
    """
    from ..recovery import choose as recovery
    from .jobs import load_job, session_of

    out = output(json=json)
    reporter = out.reporter()
    with session_of(load_job(job), reporter.warn, as_cached=True) as session, closing(reporter):
        wish = recovery.Thaw(thaw_hours) if thaw else None
        found = recovery.pull(session, reporter, min_serial=min_serial, lineage=lineage, thaw=wish)
    _tell(found, out)
    return 0


def rebuild(
    job: JobFile,
    *,
    lineage: Lineage = "",
    thaw: ThawRecords = False,
    thaw_hours: ThawHours = 24,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Make the catalog from the records alone, and where they are missing from the objects themselves.

    For when `catalog pull` cannot. Exit 3 if something is missing; each is named.

    Example: backup-runner catalog rebuild documents.yaml
    """
    from ..recovery import choose as recovery
    from .jobs import load_job, session_of

    out = output(json=json)
    loaded = load_job(job)
    reporter = out.reporter()
    with session_of(loaded, reporter.warn, as_cached=True) as session, closing(reporter):
        if not yes and session.store() is not None and not _agreed(session, out):
            out.say(["Not rebuilt; nothing was changed."])
            return _NOT_DONE
        wish = recovery.Thaw(thaw_hours) if thaw else None
        found = recovery.rebuild(session, reporter, lineage=lineage, thaw=wish)
    _tell(found, out)
    return _INCOMPLETE if found.missing else 0


def _agreed(session: Session, out: Output) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            f"there is a catalog at {session.job.catalog.path}, and no terminal to ask whether to replace it",
            hint="use --yes to rebuild without asking; `catalog pull JOB` fetches only newer records",
        )
    print(f"Replace what {session.job.catalog.path} says of this lineage? [y/N] ", end="", file=out.human, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _tell(found: Recovered, out: Output) -> None:
    from ..report.recovered import recovered_fields, recovered_lines

    now_ns = time.time_ns()
    out.emit(recovered_fields(found, now_ns))
    out.say(recovered_lines(found, now_ns, out.look))
