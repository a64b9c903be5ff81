"""The result of an apply, as text and as an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Interrupted
from .exits import DONE, NOT_DONE, exit_code
from .output import Output
from .signals import first_notice, second_notice

if TYPE_CHECKING:
    from ..api import Interrupt, Outcome

_AGAIN = "the next apply continues from what was recorded"


def interrupt(what_now: str = _AGAIN) -> Interrupt:
    """Ctrl-C and SIGTERM ask the engine to stop; a second one ends it at once, after printing `what_now`."""
    from ..api import Interrupt

    return Interrupt(first_notice, second_notice(what_now), lasting=True)


def finish_apply(name: str, outcome: Outcome, out: Output) -> int:
    """Print the result. Raises Interrupted."""
    if outcome.status == "declined":
        return NOT_DONE
    from ..report.machine import outcome_summary
    from ..report.results import outcome_lines

    out.emit(outcome_summary(outcome))
    if outcome.problems or not out.quiet:
        out.say(outcome_lines(name, outcome, out.look))
    if outcome.interrupted:
        raise Interrupted("interrupted; completed work is recorded", hint="apply again to continue")
    return exit_code(outcome) or (NOT_DONE if outcome.status == "partial" else DONE)


def show_hook_output(tail: str) -> None:
    """The last lines of a hook that failed, on stderr."""
    from ..report import escape
    from .streams import complain

    if tail:
        complain(["its last lines of output:", *(f"  {escape.one_line(line)}" for line in tail.splitlines())])
