"""`show`: a saved plan, as text, JSON, Markdown or a page."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .. import api
from .files import check_goal, written
from .options import Json
from .output import Output, output
from .plans import emit_plan, print_plan

if TYPE_CHECKING:
    from ..api import Plan


class PlanFormat(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


def command(
    context: typer.Context,
    plan_file: Annotated[str, typer.Argument(metavar="PLANFILE", help="A plan saved with `plan --out`.")],
    *,
    form: Annotated[
        PlanFormat,
        typer.Option("--format", help="markdown suits a pull request comment; html is a self-contained page."),
    ] = PlanFormat.TEXT,
    json: Json = False,
    out_file: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write to this file instead of standard output.")
    ] = None,
) -> int:
    """Show a saved plan. Needs no key and no access to the bucket.

    Example: backup-runner show documents.plan --format html --out plan.html
    """
    form = PlanFormat.JSON if json else form
    # open_plan reads to the closing line first, so that no part of a modified plan is printed.
    with api.open_plan(plan_file, confined=True) as plan:
        if out_file is None:
            _show(plan, form, output(context, json=form is PlanFormat.JSON))
            return 0
        check_goal(out_file, [plan_file])
        with written(out_file) as out:
            _show(plan, form, out)
    return 0


def _show(plan: Plan, form: PlanFormat, out: Output) -> None:
    from ..report.plan_text import Heading

    if form is PlanFormat.TEXT:
        print_plan(plan, Heading(), out)
    elif form is PlanFormat.JSON:
        from ..report.machine import plan_summary

        emit_plan(plan, out)
        out.emit(plan_summary(plan.header))
    elif form is PlanFormat.MARKDOWN:
        from ..report.markdown import markdown_lines

        out.say(markdown_lines(plan.header, plan.actions(), Heading()))
    else:
        from ..report.page.plans import plan_page
        from ..report.page.render import render

        out.say([render(plan_page(plan.header, plan.actions(), Heading()))])
