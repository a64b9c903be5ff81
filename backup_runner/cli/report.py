"""`report`: a job's history as a page."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import JobFile
from .output import output


def command(
    job: JobFile,
    *,
    html: Annotated[str, typer.Option("--html", metavar="FILE", help="The page to write; it needs nothing else.")],
) -> int:
    """Write a page about a job: its newest snapshot by folder, what that changed, and the snapshots before.

    Example: backup-runner report documents.yaml --html report.html
    """
    from ..catalog.browsing import differences, entries
    from ..report.page.histories import history_page
    from ..report.page.render import render
    from ..restoring.select import choose_snapshot
    from .files import check_goal, written
    from .jobs import load_job, session_of

    out = output(json=False)
    check_goal(html, [job])
    loaded = load_job(job)
    with session_of(loaded, out.reporter().warn) as session:
        catalog, store, job_id = session.need_store()
        newest, _ = choose_snapshot(catalog, job_id, None)
        snapshots = catalog.snapshots(job_id)
        earlier = [one for one in snapshots if one.id < newest.id and one.status == "complete"]
        before = earlier[-1] if earlier else None
        page = history_page(
            loaded.name,
            store.target,
            snapshots,
            newest,
            before,
            entries(catalog, job_id, newest.id),
            differences(catalog, job_id, before.id if before else 0, newest.id),
        )
    with written(html) as file:
        file.say([render(page)])
    out.say([f"Written to {html}"])
    return 0
