"""What is not backed up, restored or whole, by name: loud, complete up to a point, and never raw bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..planfile import key_of, path_fields
from ..records import Problem
from . import escape, units
from .look import Look

MOST_NAMED = 20

Row = tuple[Mapping[str, Any], str, str]
"""(object with `path`, kind of problem, message)"""


def problem_lines(
    title: str, rows: Iterable[Row], total: int, look: Look, *, see: str, kept: int | None = None
) -> Iterator[str]:
    """A title with the number, then each by name up to `MOST_NAMED`, then how to see the others.

    `see` is the command that has `kept` of them, all by default.
    """
    yield look.paint(f"{title} ({units.count(total)}):", "yellow", "bold")
    named = 0
    for fields, kind, message in rows:
        if named == MOST_NAMED:
            break
        named += 1
        path = escape.name(key_of(dict(fields)))
        yield f"  {look.paint('!', 'yellow')} {path}  {look.paint(kind, 'yellow')}: {escape.one_line(message)}"
    if total > named:
        others = "them all" if kept is None or kept >= total else f"the first {units.count(kept)}"
        yield f"    {look.mark('…')} and {units.count(total - named)} more; `{see}` names {others}"


def rows_of(problems: Iterable[Problem]) -> Iterator[Row]:
    """Problems as `problem_lines` takes them."""
    for problem in problems:
        yield path_fields(problem.key), problem.kind, problem.message


def problem_fields(problem: Problem) -> dict[str, Any]:
    """A problem as every `--json` output has it."""
    return path_fields(problem.key) | {"problem": problem.kind, "message": problem.message}
