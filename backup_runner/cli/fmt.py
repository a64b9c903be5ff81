"""`fmt` and `migrate`: job files rewritten in the one layout, or in the newest version."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from .output import complain, output

if TYPE_CHECKING:
    from ..jobfile.diagnostics import Complaints

_Paths = Annotated[list[str], typer.Argument(metavar="PATH", help="Job files, folders or patterns.")]
_Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file would change.")]
_Diff = Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")]


def fmt(paths: _Paths, *, check: _Check = False, diff: _Diff = False) -> int:
    """Lay job files out in the one way: keys in order, two spaces a level. Comments and anchors stay.

    Example: backup-runner fmt --check jobs/
    """
    from ..jobfile.formatting import format_text

    def change(text: str, path: str, complaints: Complaints) -> tuple[str, list[str]]:
        return format_text(text, complaints), []

    return _rewrite_all(paths, change, check=check, diff=diff)


def migrate(paths: _Paths, *, check: _Check = False, diff: _Diff = False) -> int:
    """Bring job files of an older version of the format to the newest, in the one layout. Comments stay.

    A file without `version:` counts as version 0 and may use names of backup-tool's options and config, such as
    directories, skip_files, crypto_key_file, cache_file and force_checksum.

    Example: backup-runner migrate --diff old-job.yaml
    """
    from ..jobfile.migrations import migrate_text

    return _rewrite_all(paths, migrate_text, check=check, diff=diff)


def _rewrite_all(
    paths: list[str],
    change: Callable[[str, str, Complaints], tuple[str, list[str]]],
    *,
    check: bool,
    diff: bool,
) -> int:
    from ..jobfile import find_job_files
    from ..jobfile.diagnostics import Complaints, Stop, printable
    from ..jobfile.formatting import is_job
    from ..jobfile.render import render_text
    from ..jobfile.rewriting import difference, rewrite
    from ..jobfile.yamltext import read_text
    from ..report.units import count

    out = output(json=False)
    files = find_job_files(paths)
    changed = failed = 0
    for path in files:
        complaints, text = Complaints(printable(path)), ""
        try:
            text = read_text(path, complaints, confined=True)
            if not is_job(text):
                complain([f"{complaints.file} is no job, and stays as it is"])
                continue
            new, notes = change(text, path, complaints)
        except Stop:
            failed += 1
            complain([render_text(complaints.in_order(), {complaints.file: text})])
            continue
        if new == text:
            continue
        changed += 1
        if diff:
            out.say(map(printable, difference(path, text, new)))
        elif check:
            out.say([f"{complaints.file} would change"])
        else:
            rewrite(path, new)
            out.say([f"{complaints.file} changed", *(f"  {note}" for note in notes)])
    unchanged = len(files) - changed - failed
    broken = f", {count(failed, 'file')} cannot be read" if failed else ""
    complain(
        [f"{count(changed, 'file')} {'would change' if check or diff else 'changed'}, {unchanged} as it is{broken}"]
    )
    return 1 if failed or (check and changed) else 0
