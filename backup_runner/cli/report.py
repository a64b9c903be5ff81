"""`report`: a job's history as a page."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import api
from .files import check_goal, written
from .jobs import load_job
from .options import JobFile
from .output import output


def command(
    context: typer.Context,
    job: JobFile,
    *,
    html: Annotated[
        str, typer.Option("--html", metavar="FILE", help="Write the report to this file, as a self-contained page.")
    ],
) -> int:
    """Write an HTML report on a job: its newest snapshot by folder, what changed in it, and earlier snapshots.

    Example: backup-runner report documents.yaml --html report.html
    """
    from ..report.page.histories import history_page
    from ..report.page.render import render

    out = output(context)
    check_goal(html, [job])
    loaded = load_job(job, out)
    with api.browse(loaded, events=out.reporter()) as past:
        newest, snapshots = past.snapshot(), past.snapshots()
        earlier = [one for one in snapshots if one.id < newest.id and one.status == "complete"]
        before = earlier[-1] if earlier else None
        files, changes = past.files(at=str(newest.id)).versions, past.changes_of(newest, before)
        page = history_page(loaded.name, past.target, snapshots, (newest, before), files, changes, past.sizes())
    with written(html) as file:
        file.say([render(page)])
    out.say([f"Written to {html}"])
    return 0
