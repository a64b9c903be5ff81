"""Exit codes of commands that finished. Errors have their own (docs/cli.md lists all)."""

from __future__ import annotations

from typing import Protocol

DONE = 0
NOT_DONE = 1
"""Declined, or partly done."""
CHANGES = 2
INCOMPLETE = 3
"""Done, but some files are not backed up or restored, or something in the bucket is missing; each was listed."""
GUARD = 5

WEIGHT = (DONE, CHANGES, INCOMPLETE, 4, GUARD, 6, NOT_DONE)
"""Least severe first: with several jobs, the command ends with the most severe code."""


class Counted(Protocol):
    """The exit code of a run."""

    @property
    def incomplete(self) -> bool: ...


def exit_code(found: Counted) -> int:
    """3 if something was left out, else 0."""
    return INCOMPLETE if found.incomplete else DONE
