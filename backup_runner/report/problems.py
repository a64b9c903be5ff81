"""Lists what is not backed up, restored or intact, up to a limit, with names escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..planning.file import key_of, path_fields
from ..records import Problem
from . import escape, units
from .look import Look

MOST_NAMED = 20

NEXT = {
    "unreadable": "run as a user who can read them, or skip them; until then their last version is kept",
    "vanished": "nothing, if they were meant to be deleted; the next plan checks again",
    "changed": "apply again when nothing writes to them, or dump them in a `before` hook",
    "attributes": "nothing, if the file system does not support them; otherwise check the disk and apply again",
    "missed": "`apply JOB` plans after the hook; to review such a plan, run the hook's program before `plan`",
    "two-lineages": "`catalog pull JOB --lineage ID` switches a machine to the other one",
    "more": "`verify JOB --level data` lists lost files; plan and apply in one go to have all problems named",
    "special": "nothing; such files have no content",
    "lost": "`find JOB NAME` shows which snapshots have another version",
    "time": "fix the times with `touch`; the contents are stored",
    "source-missing": "mount or restore the source, or remove it from the job",
    "name-taken": "give the output another `path`, or skip what has its name",
    "damaged": "`verify JOB --level data` lists all damage; `history JOB PATH` shows versions that may be intact",
    "no-backup": "they cannot be restored: their content was never imported",
    "outside": "restore them with `--to DIR`",
}
"""What to do, by kind of problem of a backup."""

RESTORE_NEXT = {
    "attributes": "restore as root to set them all, if the file system has them; until then nobody has more access",
    "archived": "`restore --thaw` makes them readable",
    "blocked": "move the existing files away, or restore to another folder with `--to DIR`",
    "damaged": NEXT["damaged"],
    "kept": "replace them with `--overwrite changed`, or restore to another folder with `--to DIR`",
    "missing": "`history JOB PATH` shows earlier versions; the next apply uploads again what the sources have",
    "undeleted": "fix this, then restore again",
    "refused": "they cannot be restored to this path; extract them with `docs/recover.py`",
    "unreadable": "fix access to their objects, then restore again; `target check JOB` may show the cause",
    "unwritable": "fix this, then restore again, or restore to another folder with `--to DIR`",
}
"""The same for a restore."""

FILE_RESTORE_NEXT = RESTORE_NEXT | {
    "archived": "`--set-restore` makes it readable",
    "blocked": "move the existing files away, then restore again",
    "kept": "replace it with `--overwrite`",
    "unwritable": "fix this, then restore again",
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
    """A title with the number, up to `MOST_NAMED` problems, how to see the others, and what to do.

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
        others = "all of them" if kept is None or kept >= total else f"the first {units.count(kept)}"
        yield f"    {look.mark('…')} and {units.count(total - named)} more; `{see}` lists {others}"
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
