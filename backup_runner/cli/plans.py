"""Showing a plan, and what several commands need to know about one."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from .output import Output
from .settings import chosen

if TYPE_CHECKING:
    from ..planning.making import Plan
    from ..report.plan_text import Heading
    from ..repository.session import Session

_ZSTD = b"\x28\xb5\x2f\xfd"
_HEADER = b'{"kind":"header"'


def is_plan_file(path: str) -> bool:
    """Whether a file is a saved plan, by its first bytes; false for one that cannot be read."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            # A FIFO would wait for who writes to it, and a plan is none.
            start = file.read(len(_HEADER)) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return False
    return start.startswith(_ZSTD) or start == _HEADER


def heading_of(session: Session) -> Heading:
    """Where a plan goes to and what is there already."""
    from ..report.plan_text import Heading

    catalog, store = session.catalog(), session.store()
    job_id = catalog.job_id(store.id, session.job.name) if catalog and store else None
    last = catalog.last_complete(job_id) if catalog and job_id is not None else None
    said = f"last complete snapshot {last.id} of {last.date_text}" if last else "no complete snapshot yet"
    return Heading(session.target.identity, said)


def print_plan(plan: Plan, heading: Heading, out: Output, *, asking: bool = False) -> None:
    """The whole plan as text; nothing with --quiet, unless a question follows that needs it."""
    if chosen.verbosity < 0 and not asking:
        return
    from ..report.plan_text import plan_lines

    out.say(plan_lines(plan.header, plan.actions(), heading, out.look))


def print_plan_brief(plan: Plan, heading: Heading, out: Output) -> None:
    """All but the actions as text: for people who watch while a program reads the JSON."""
    if chosen.verbosity < 0:
        return
    from ..report.plan_text import closing_lines, heading_lines

    out.say(heading_lines(plan.header, heading, out.look))
    out.say(closing_lines(plan.header, out.look))


def emit_plan(plan: Plan, out: Output) -> None:
    """Header and actions as JSON Lines, as the plan file has them; the summary is for the caller."""
    from ..planning.file import END

    for line in plan.lines():
        if line.startswith(END):
            return
        out.raw(line)
