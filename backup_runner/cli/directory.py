"""`directory backup`: whole directories, as people know it from backup-tool."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

import typer

from .exits import DONE, INCOMPLETE
from .oneshot import ForceChecksum, Overwrite, show_and_apply
from .options import Json, OverrideGuards, Wait, guard_names, seconds
from .output import output
from .streams import complain

app = typer.Typer(help="One-shot commands for whole directories.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _directory() -> None:
    """One-shot commands for whole directories."""


@app.command("backup")
def backup(
    context: typer.Context,
    *,
    dir_paths: Annotated[list[str], typer.Option("--dir-paths", metavar="DIR...", help="The directories to back up.")],
    skip_files: Annotated[
        list[str] | None,
        typer.Option(
            "--skip-files",
            "-f",
            metavar="PATTERN...",
            help='Skip what matches these gitignore patterns, such as "*.tmp".',
        ),
    ] = None,
    overwrite: Overwrite = False,
    cache_file: Annotated[
        str | None,
        typer.Option("--cache-file", metavar="FILE", help="Keep the state of an interrupted run here, to continue it."),
    ] = None,
    force_checksum: ForceChecksum = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
    json: Json = False,
) -> int:
    """Back up directories. Files that no longer exist stay listed until `file cleanup`.

    Example: backup-runner directory backup --dir-paths ~/documents ~/photos --skip-files "*.tmp" .cache/
    """
    from ..api import oneshot

    out = output(context, json=json)
    wish = oneshot.Wish(tuple(dir_paths), tuple(skip_files or ()), overwrite, force_checksum, directories=True)
    job, planning = oneshot.storing(out.settings, wish, warn=lambda text: complain([f"warning: {text}"]))
    work = partial(
        show_and_apply, job, replace(planning, overrides=guard_names(override_guard)), out, wait=seconds(wait)
    )
    if cache_file is None:
        return work()
    with oneshot.cache_file(cache_file, job) as cache:
        if cache.interrupted:
            out.say(["Continuing the interrupted run; what it uploaded is not uploaded again."])
        code = work()
        cache.completed = code in (DONE, INCOMPLETE)
    return code
