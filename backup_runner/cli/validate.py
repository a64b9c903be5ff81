"""`validate`: check job files, offline and without a key."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from .output import Output, output
from .streams import complain

if TYPE_CHECKING:
    from ..api import LoadResult


class Format(StrEnum):
    """How diagnostics are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"
    JUNIT = "junit"


def command(
    context: typer.Context,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Job files, folders or patterns. All are checked together.")
    ],
    *,
    form: Annotated[
        Format, typer.Option("--format", help="Output format. github, sarif and junit are for CI systems.")
    ] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as errors.")] = False,
) -> int:
    """Check job files for mistakes. Works offline, needs no key, changes nothing.

    docs/rules explains each rule. The comment `# backup-runner: ignore BR061` turns off a warning for that file.

    Example: backup-runner validate --strict jobs/
    """
    from ..report.units import count

    out = output(context, json=form is not Format.TEXT)
    found = api.validate(paths, settings=out.settings)
    failed = bool(found.errors or (strict and found.warnings))
    _show(found.result, form, out, found.files, strict=strict)
    warned = [count(found.warnings, "warning")] if found.warnings else []
    if failed:
        out.say([f"{count(len(found.files), 'file')} checked: {', '.join([count(found.errors, 'error'), *warned])}"])
    else:
        out.say([f"valid: {', '.join([count(len(found.jobs), 'job'), *warned])}"])
    return 1 if failed else 0


def _show(result: LoadResult, form: Format, out: Output, files: list[str], *, strict: bool) -> None:
    if form is Format.TEXT and result.diagnostics:
        from ..report.failures import diagnostics_text

        complain([diagnostics_text(result)])
    elif form is Format.JSON:
        from ..report.validation import document

        out.emit(document(result, strict=strict))
    elif form is Format.SARIF:
        from ..report.sarif import sarif

        out.emit(sarif(result.diagnostics, files))
    elif form is Format.JUNIT:
        from ..report.junit import junit

        # Printed to a CI log if not redirected, so no name may act as a command there.
        sys.stdout.buffer.write(junit(result, strict=strict).replace("##", "#&#35;").encode() + b"\n")
    elif form is Format.GITHUB:
        from ..report.annotations import workflow_commands

        sys.stdout.buffer.write("".join(f"{line}\n" for line in workflow_commands(result.diagnostics)).encode())
