"""`validate`: check job files, offline and without a key."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer

from .output import complain, output


class Format(StrEnum):
    """How diagnostics are written."""

    TEXT = "text"
    JSON = "json"


def command(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Job files; they are checked together.")],
    *,
    form: Annotated[Format, typer.Option("--format", help="Text for people or one JSON document.")] = Format.TEXT,
) -> int:
    """Check job files. Offline, needs no key, changes nothing.

    Example: backup-runner validate jobs/*.yaml
    """
    from ..jobfile import load
    from .settings import defaults

    out = output(json=form is Format.JSON)
    result = load(paths, env=os.environ, defaults=defaults())
    errors = sum(item.severity == "error" for item in result.diagnostics)
    warnings = len(result.diagnostics) - errors
    if out.json:
        from ..report.validation import document

        out.emit(document(result))
    elif result.diagnostics:
        from ..jobfile.render import render_text

        complain([render_text(result.diagnostics, result.sources)])
    from ..report.units import count

    said = [count(len(result.jobs), "job"), count(errors, "error")] + ([count(warnings, "warning")] if warnings else [])
    out.say([f"{', '.join(said)}" if errors else f"valid: {', '.join(said[:1] + said[2:])}"])
    return 1 if errors else 0
