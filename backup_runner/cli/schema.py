"""`schema`: the JSON schemas of what goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from .. import api
from ..errors import UsageError
from .output import output

_FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "job": lambda: api.job_schema(),
    "config": lambda: api.config_schema(),
}
"""What people write; looked up late, because the API is imported when it is used."""


def command(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="`job`, `config`, or a command that has --json. `schema list` shows all."),
    ],
) -> int:
    """Print a JSON schema: of job files, of the config file, or of a command's --json output.

    Example: backup-runner schema job > job.schema.json
    """
    import json

    from ..report.schemas import OUTPUTS, output_schema

    out = output(context)
    names = [*_FILES, *OUTPUTS]
    if name == "list":
        out.say(names)
        return 0
    if name not in names:
        raise UsageError(f'unknown schema "{name}"', hint=f"there are: {', '.join(names)}")
    schema = _FILES[name]() if name in _FILES else output_schema(name)
    out.say([json.dumps(schema, indent=2, ensure_ascii=False)])
    return 0
