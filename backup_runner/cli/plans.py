"""Showing a plan, and asking about it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BackupRunnerError
from .output import Output
from .streams import quiet_pipe

if TYPE_CHECKING:
    from ..api import Plan
    from ..report.plan_text import Heading
    from ..report.progress import Reporter


def heading_of(plan: Plan) -> Heading:
    """The target of a plan and what is in it already."""
    from ..report.plan_text import Heading

    last = plan.last_complete
    said = f"last complete snapshot {last.id} of {last.date_text}" if last else "no complete snapshot yet"
    return Heading(plan.target, said)


def print_plan(plan: Plan, heading: Heading, out: Output, *, asking: bool = False) -> None:
    """Print the whole plan as text; nothing with --quiet, unless a question follows."""
    if out.quiet and not asking:
        return
    from ..report.plan_text import plan_lines

    out.say(plan_lines(plan.header, plan.actions(), heading, out.look))


def print_plan_brief(plan: Plan, heading: Heading, out: Output) -> None:
    """Print everything but the actions as text, for people who watch while a program reads the JSON."""
    if out.quiet:
        return
    from ..report.plan_text import closing_lines, heading_lines

    out.say(heading_lines(plan.header, heading, out.look))
    out.say(closing_lines(plan.header, out.look))


def emit_plan(plan: Plan, out: Output) -> None:
    """Print header and actions as JSON Lines; the caller prints the summary."""
    from ..report.machine import plan_body

    for line in plan_body(plan.body()):
        out.raw(line)


@contextmanager
def shown_whole() -> Iterator[None]:
    """A plan that was not read to its end is not carried out. Say so, because a pipe hides the exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        quiet_pipe()
        raise BackupRunnerError(
            "the output was closed before the whole plan was written; nothing was changed",
            hint="read all of the output, or use --quiet",
        ) from None


@dataclass(frozen=True, slots=True)
class Review:
    """Shows a plan and, with `ask`, asks for confirmation. `whole`: also with --json, where a question follows.
    `guarded`: a guard stops the plan, so it is shown but nothing is asked."""

    out: Output
    reporter: Reporter
    ask: bool = False
    dry_run: bool = False
    whole: bool = True
    guarded: bool = False

    def __call__(self, plan: Plan) -> bool:
        out, changes = self.out, plan.changes > 0
        self.reporter.close()
        # Without changes there is nothing to ask about: only a snapshot is recorded.
        asking = self.ask and changes and not self.dry_run and not (self.guarded and plan.header.guards)
        with shown_whole():
            if out.json and not (asking and self.whole):
                print_plan_brief(plan, heading_of(plan), out)
            else:
                print_plan(plan, heading_of(plan), out, asking=asking)
            if out.json:
                emit_plan(plan, out)
        if self.dry_run:
            return False
        if asking and not plan.header.guards and not confirmed(out):
            out.say(["Not applied; nothing was changed."])
            return False
        return True


def confirmed(out: Output, question: str = "Apply this plan?") -> bool:
    """Ask for confirmation; anything but yes means no."""
    print(f"\n{question} [y/N] ", end="", file=out.human, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
