"""What is not backed up, restored or whole, by name: loud, complete up to a point, and never raw bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..planning.file import key_of, path_fields
from ..records import Problem
from . import escape, units
from .look import Look

MOST_NAMED = 20

NEXT = {
    "unreadable": "run as a user who may read them, or skip them; until then their last version is kept",
    "vanished": "nothing, if they were meant to go; the next plan looks again",
    "changed": "apply again when nothing writes to them, or dump them in a `before` hook",
    "attributes": "nothing, if the file system has none; else check the disk, and apply again",
    "missed": "`apply JOB` plans after the hook; to review such a plan, run the hook's program before `plan`",
    "two-lineages": "`catalog pull JOB --lineage ID` makes a machine go on with the other one",
    "special": "nothing: such files hold no content",
    "lost": "`find JOB NAME` says which snapshots have another version",
    "time": "`touch` them; their contents are stored",
    "source-missing": "mount or restore the source, or take it out of the job",
    "damaged": "`verify JOB --level data` says what else is; `history JOB PATH` which earlier version may be whole",
    "no-backup": "nothing can bring them back: their content was never imported",
    "outside": "restore them with `--to DIR`",
}
"""What to do now, by kind of problem of a backup."""

RESTORE_NEXT = {
    "attributes": "root may set them all, where the file system has them; until then nobody has more access for it",
    "archived": "`restore --thaw` asks for them to be made readable",
    "blocked": "move away what stands there, or put them elsewhere with `--to DIR`",
    "damaged": NEXT["damaged"],
    "kept": "`--overwrite changed` replaces them, `--to DIR` puts them elsewhere",
    "missing": "`history JOB PATH` says which earlier version may be there; an apply stores anew what the sources have",
    "refused": "nothing puts them under such a path; `docs/recover.py` gets at the bytes",
    "unreadable": "mend what kept their objects from being read, then restore again; `target check JOB` may tell",
    "unwritable": "mend that, then restore again, or put them elsewhere with `--to DIR`",
}
"""The same for a restore."""

FILE_RESTORE_NEXT = RESTORE_NEXT | {
    "archived": "`--set-restore` asks for it to be made readable",
    "blocked": "move away what stands there, then restore again",
    "kept": "`--overwrite` replaces it",
    "unwritable": "mend that, then restore again",
}
"""The same for the one-shot command, which has other options."""

Row = tuple[Mapping[str, Any], str, str]
"""(object with `path`, kind of problem, message)"""


def problem_lines(
    title: str,
    rows: Iterable[Row],
    total: int,
    look: Look,
    *,
    see: str,
    kept: int | None = None,
    hints: Mapping[str, str] = NEXT,
) -> Iterator[str]:
    """A title with the number, then each by name up to `MOST_NAMED`, then how to see the others, and what to do.

    `see` is the command that has `kept` of them, all by default.
    """
    yield look.paint(f"{title} ({units.count(total)}):", "yellow", "bold")
    named = 0
    kinds: dict[str, None] = {}
    for fields, kind, message in rows:
        if named == MOST_NAMED:
            break
        named += 1
        kinds.setdefault(kind)
        path = escape.name(key_of(dict(fields)))
        yield f"  {look.paint('!', 'yellow')} {path}  {look.paint(kind, 'yellow')}: {escape.one_line(message)}"
    if total > named:
        others = "them all" if kept is None or kept >= total else f"the first {units.count(kept)}"
        yield f"    {look.mark('…')} and {units.count(total - named)} more; `{see}` names {others}"
    for kind in kinds:
        if kind in hints:
            yield f"  {look.paint('hint:', 'cyan')} {kind}: {hints[kind]}"


def rows_of(problems: Iterable[Problem]) -> Iterator[Row]:
    """Problems as `problem_lines` takes them."""
    for problem in problems:
        yield path_fields(problem.key), problem.kind, problem.message


def problem_fields(problem: Problem) -> dict[str, Any]:
    """A problem as every `--json` output has it."""
    return path_fields(problem.key) | {"problem": problem.kind, "message": problem.message}
