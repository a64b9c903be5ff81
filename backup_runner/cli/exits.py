"""Exit codes of commands that came to their end; errors bring their own (docs/cli.md lists all)."""

from __future__ import annotations

from typing import Protocol

DONE = 0
NOT_DONE = 1
"""Declined, or partly done."""
CHANGES = 2
INCOMPLETE = 3
"""Done, but some files are not backed up or restored, or something in the bucket is missing; each was named."""
GUARD = 5

WEIGHT = (DONE, CHANGES, INCOMPLETE, 4, GUARD, 6, NOT_DONE)
"""Lightest first: of several jobs the heaviest code is the command's."""


class Found(Protocol):
    """What a run came to."""

    @property
    def incomplete(self) -> bool: ...


def exit_code(found: Found) -> int:
    """3 if something was left out, else 0."""
    return INCOMPLETE if found.incomplete else DONE
