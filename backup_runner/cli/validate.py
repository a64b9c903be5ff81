"""`validate`: check job files, offline and without a key."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .output import Output, complain, output

if TYPE_CHECKING:
    from ..jobfile import LoadResult


class Format(StrEnum):
    """How diagnostics are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    JUNIT = "junit"


def command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Job files, folders or patterns; all are checked together.")
    ],
    *,
    form: Annotated[
        Format, typer.Option("--format", help="Text for people; json, github, sarif, junit for programs.")
    ] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too.")] = False,
) -> int:
    """Check job files. Offline, needs no key, changes nothing.

    Rules are explained in docs/rules. `# backup-runner: ignore BR061` in a file turns a warning off for it.

    Example: backup-runner validate --strict jobs/
    """
    from ..jobfile import find_job_files, load
    from ..report.units import count
    from .settings import defaults

    out = output(json=form is not Format.TEXT)
    files = find_job_files(paths)
    result = load(files, env=os.environ, defaults=defaults(), lint=True)
    errors = sum(item.severity == "error" for item in result.diagnostics)
    warnings = len(result.diagnostics) - errors
    failed = bool(errors or (strict and warnings))
    _show(result, form, out, files, strict=strict)
    warned = [count(warnings, "warning")] if warnings else []
    if failed:
        out.say([f"{count(len(files), 'file')} checked: {', '.join([count(errors, 'error'), *warned])}"])
    else:
        out.say([f"valid: {', '.join([count(len(result.jobs), 'job'), *warned])}"])
    return 1 if failed else 0


def _show(result: LoadResult, form: Format, out: Output, files: list[str], *, strict: bool) -> None:
    if form is Format.TEXT and result.diagnostics:
        from ..jobfile.render import render_text

        complain([render_text(result.diagnostics, result.sources)])
    elif form is Format.JSON:
        from ..report.validation import document

        out.emit(document(result, strict=strict))
    elif form is Format.SARIF:
        from ..jobfile.diagnostics import printable
        from ..report.sarif import sarif

        out.emit(sarif(result.diagnostics, {printable(path): path for path in files}))
    elif form is Format.JUNIT:
        from ..report.junit import junit

        # As a log that is not redirected shows it, no name in it is a command.
        sys.stdout.buffer.write(junit(result, strict=strict).replace("##", "#&#35;").encode() + b"\n")
    elif form is Format.GITHUB:
        from ..report.annotations import workflow_commands

        sys.stdout.buffer.write("".join(f"{line}\n" for line in workflow_commands(result.diagnostics)).encode())
