"""`fmt` and `migrate`: rewrite job files in the canonical layout, or in the newest version of the format."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from .output import Output, output
from .streams import complain

if TYPE_CHECKING:
    from ..api import Rewriting

_Paths = Annotated[list[str], typer.Argument(metavar="PATH", help="Job files, folders or patterns.")]
_Check = Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a file would change.")]
_Diff = Annotated[bool, typer.Option("--diff", help="Change nothing; show what would change.")]


def fmt(context: typer.Context, paths: _Paths, *, check: _Check = False, diff: _Diff = False) -> int:
    """Rewrite job files in the canonical layout: fixed order of keys, two-space indents. Keeps comments and anchors.

    Example: backup-runner fmt --check jobs/
    """
    return _rewrite_all(output(context), paths, api.format_job, check=check, diff=diff)


def migrate(context: typer.Context, paths: _Paths, *, check: _Check = False, diff: _Diff = False) -> int:
    """Upgrade job files to the newest version of the format, in the canonical layout. Keeps comments.

    A file without `version:` counts as version 0. It may use the names of backup-tool's options, such as directories,
    skip_files, crypto_key_file, cache_file and force_checksum.

    Example: backup-runner migrate --diff old-job.yaml
    """
    return _rewrite_all(output(context), paths, api.migrate_job, check=check, diff=diff)


def _rewrite_all(out: Output, paths: list[str], change: Callable[[str], Rewriting], *, check: bool, diff: bool) -> int:
    from ..report.failures import diagnostics_text
    from ..report.units import count

    files = api.find_job_files(paths)
    changed = failed = 0
    for path in files:
        try:
            found = change(path)
        except api.JobFileError as error:
            failed += 1
            complain([diagnostics_text(error)])
            continue
        if not found.is_job:
            complain([f"{found.file} is not a job file; left unchanged"])
        if not found.changed:
            continue
        changed += 1
        if diff:
            out.say(found.difference())
        elif check:
            out.say([f"{found.file} would change"])
        else:
            found.write()
            out.say([f"{found.file} changed", *(f"  {note}" for note in found.notes)])
    unchanged = len(files) - changed - failed
    broken = f", {count(failed, 'file')} cannot be read" if failed else ""
    complain(
        [f"{count(changed, 'file')} {'would change' if check or diff else 'changed'}, {unchanged} unchanged{broken}"]
    )
    return 1 if failed or (check and changed) else 0
