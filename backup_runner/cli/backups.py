"""`backup …`: what lies in the bucket, as people know it from backup-tool."""

from __future__ import annotations

import typer

from .oneshot import DryRun, opened, plan_and_apply
from .options import Json, Yes
from .output import output

app = typer.Typer(help="What lies in the bucket: the one-shot commands.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_backups(*, json: Json = False) -> int:
    """List the stored contents, with their ids, objects and MD5s.

    Example: backup-runner backup list
    """
    from ..catalog import listing
    from ..report.listings import content_fields, content_lines

    out = output(json=json)
    with opened(out) as (_, cat, store):
        found = [content_fields(item) for item in listing.contents(cat, store.id)]
    out.emit(found)
    out.say(() if out.json else content_lines(found))
    return 0


@app.command("cleanup")
def cleanup(*, dry_run: DryRun = False, yes: Yes = False, json: Json = False) -> int:
    """Forget all but the newest snapshot of the one-shot commands, and delete what nothing needs any more.

    Contents imported from backup-tool that belong to no file go too. What jobs in files need stays.

    Example: backup-runner backup cleanup --dry-run
    """
    from ..oneshot.jobs import prune_job
    from .settings import config

    out = output(json=json)
    with opened(out) as (session, cat, store):
        known = cat.job_id(store.id, session.job.name) is not None
    if not known:
        out.say(["Nothing was backed up by one-shot commands yet."])
        return 0
    job, planning = prune_job(config())
    return plan_and_apply(job, planning, out, dry_run=dry_run, ask=not yes)
