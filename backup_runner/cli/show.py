"""`show`: a saved plan, as text or JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json
from .output import output


def command(
    plan_file: Annotated[str, typer.Argument(metavar="PLANFILE", help="A plan saved with `plan --out`.")],
    *,
    json: Json = False,
) -> int:
    """Show a saved plan. Needs neither key nor bucket.

    Example: backup-runner show documents.plan
    """
    from collections import deque

    from ..planning import open_plan
    from ..report.machine import plan_summary
    from ..report.plan_text import Heading
    from .plans import emit_plan, print_plan

    out = output(json=json)
    plan = open_plan(plan_file)
    if not json:
        print_plan(plan, Heading(), out)
        return 0
    # Read to its closing line first, so that no part of an altered plan is passed on.
    deque(plan.actions(), maxlen=0)
    emit_plan(plan, out)
    out.emit(plan_summary(plan.header))
    return 0
