"""`backup …`: what is stored in the bucket, as people know it from backup-tool."""

from __future__ import annotations

import typer

from .oneshot import DryRun, show_and_apply
from .options import Json, Yes
from .output import output

app = typer.Typer(
    help="One-shot commands for what is stored in the bucket.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("list")
def list_backups(context: typer.Context, *, json: Json = False) -> int:
    """List the stored contents with their ids, objects and MD5s.

    Example: backup-runner backup list
    """
    from ..api import oneshot
    from ..report.listings import content_fields, content_lines

    out = output(context, json=json)
    found = [content_fields(item) for item in oneshot.contents(out.settings, events=out.reporter())]
    out.emit(found)
    out.say(() if out.json else content_lines(found))
    return 0


@app.command("cleanup")
def cleanup(context: typer.Context, *, dry_run: DryRun = False, yes: Yes = False, json: Json = False) -> int:
    """Forget all but the newest snapshot of the one-shot commands, and delete what is no longer needed.

    Also deletes contents imported from backup-tool that belong to no file. What other jobs need is kept.

    Example: backup-runner backup cleanup --dry-run
    """
    from ..api import oneshot

    out = output(context, json=json)
    asked = oneshot.cleaning_backups(out.settings, events=out.reporter())
    if asked is None:
        out.say(["The one-shot commands have not backed up anything yet."])
        return 0
    return show_and_apply(*asked, out, dry_run=dry_run, ask=not yes)
