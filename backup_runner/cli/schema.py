"""`schema`: the JSON schemas of what goes in and comes out."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import api
from ..errors import UsageError
from .output import output


def command(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="`job`, or a command that has --json. `schema list` shows all.")
    ],
) -> int:
    """Print a JSON schema, of job files or of a command's --json output.

    Example: backup-runner schema job > job.schema.json
    """
    import json

    from ..report.schemas import OUTPUTS, output_schema

    out = output(context)
    if name == "list":
        out.say(["job", *OUTPUTS])
        return 0
    if name != "job" and name not in OUTPUTS:
        raise UsageError(f'unknown schema "{name}"', hint=f"there are: job, {', '.join(OUTPUTS)}")
    schema = api.job_schema() if name == "job" else output_schema(name)
    out.say([json.dumps(schema, indent=2, ensure_ascii=False)])
    return 0
