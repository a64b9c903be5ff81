"""What the one-shot commands share: from a job in memory through plan and apply, and the way to the catalog."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import CatalogError
from .apply import NOT_DONE, apply_and_tell, confirmed, shown_whole
from .output import Output

if TYPE_CHECKING:
    from ..catalog import Catalog
    from ..catalog.database import Store
    from ..options import PlanOptions
    from ..repository.session import Session
    from ..spec import Job

Overwrite = Annotated[
    bool, typer.Option("--overwrite", "-o", help="Store files that changed; without it they are held back and named.")
]
ForceChecksum = Annotated[
    bool, typer.Option("--force-checksum", help="Read every file and compare its content, whatever its times say.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-d", help="Show the plan and change nothing.")]


def plan_and_apply(
    job: Job, planning: PlanOptions, out: Output, *, dry_run: bool = False, ask: bool = False, wait: float = 0.0
) -> int:
    """Show the plan and carry it out. With `ask`, a person at a terminal is asked first."""
    from dataclasses import replace

    from ..options import ApplyOptions
    from ..planning.making import make_plan
    from .jobs import session_of
    from .plans import emit_plan, heading_of, print_plan, print_plan_brief

    reporter = out.reporter()
    planning = replace(planning, applies=not dry_run)
    with (
        session_of(job, reporter.warn) as session,
        closing(reporter),
        closing(make_plan(session, planning, reporter)) as plan,
    ):
        reporter.close()
        changes = plan.header.totals.changes > 0
        asking = ask and changes and not plan.header.guards and sys.stdin.isatty()
        with shown_whole():
            if out.json:
                print_plan_brief(plan, heading_of(session), out)
            else:
                print_plan(plan, heading_of(session), out, asking=asking and not dry_run)
            if out.json:
                emit_plan(plan, out)
        if dry_run:
            return 5 if plan.header.guards else 0
        if asking and not confirmed(out):
            out.say(["Not applied; nothing was changed."])
            return NOT_DONE
        options = ApplyOptions(overrides=planning.overrides, wait_seconds=wait)
        return apply_and_tell(session, plan, options, out, reporter)


@contextmanager
def opened(out: Output) -> Iterator[tuple[Session, Catalog, Store]]:
    """Session, catalog and store of the bucket that the config names. Raises CatalogError if nothing is in it yet."""
    from ..oneshot.jobs import bare_job
    from .jobs import session_of
    from .settings import config

    with session_of(bare_job(config()), out.reporter().warn) as session:
        cat, path = session.catalog(), session.job.catalog.path
        store = session.store() if cat else None
        if cat is None or store is None:
            raise CatalogError(
                f"the catalog {path} knows nothing at {session.target.identity}"
                if cat
                else f"no catalog at {path} yet",
                hint="back up something first, or import backup-tool's database",
            )
        yield session, cat, store
