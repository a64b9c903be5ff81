"""`directory backup`: whole directories, as people know it from backup-tool."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import BackupRunnerError
from .oneshot import ForceChecksum, Overwrite, plan_and_apply
from .options import Json, OverrideGuards, Wait, guard_names, seconds
from .output import complain, output

app = typer.Typer(help="Whole directories: the one-shot commands.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _directory() -> None:
    """Whole directories: the one-shot commands."""


@app.command("backup")
def backup(
    *,
    dir_paths: Annotated[list[str], typer.Option("--dir-paths", metavar="DIR...", help="The directories.")],
    skip_files: Annotated[
        list[str] | None,
        typer.Option("--skip-files", "-f", metavar="PATTERN...", help='gitignore patterns to leave out, e.g. "*.tmp".'),
    ] = None,
    overwrite: Overwrite = False,
    cache_file: Annotated[
        str | None,
        typer.Option("--cache-file", metavar="FILE", help="Keeps the state of an interrupted run, to go on with."),
    ] = None,
    force_checksum: ForceChecksum = False,
    override_guard: OverrideGuards = None,
    wait: Wait = "0",
    json: Json = False,
) -> int:
    """Back up directories. Files that are gone stay listed until `file cleanup`.

    Example: backup-runner directory backup --dir-paths ~/documents ~/photos --skip-files "*.tmp" .cache/
    """
    from dataclasses import replace

    from ..jobfile.mistaken import is_regex
    from ..oneshot.jobs import Wish, backup_job
    from ..oneshot.state import CacheFile
    from ..targets.opening import open_target
    from .settings import config

    out = output(json=json)
    complain(
        f"warning: {pattern} looks like a regular expression; --skip-files takes gitignore patterns, e.g. *.tmp"
        for pattern in skip_files or ()
        if is_regex(pattern)
    )
    wish = Wish(tuple(dir_paths), tuple(skip_files or ()), overwrite, force_checksum, directories=True)
    job, planning = backup_job(config(), wish)
    planning = replace(planning, overrides=guard_names(override_guard))
    if cache_file is None:
        return plan_and_apply(job, planning, out, wait=seconds(wait))
    cache = CacheFile(cache_file, job, open_target(job.target).identity)
    if cache.interrupted:
        out.say(["Going on with the interrupted run; what it stored is not stored again."])
    cache.write("running")
    try:
        code = plan_and_apply(job, planning, out, wait=seconds(wait))
    except (BackupRunnerError, KeyboardInterrupt):
        cache.write("interrupted")
        raise
    cache.write("complete" if code in (0, 3) else "interrupted")
    return code
