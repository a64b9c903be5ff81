"""Whose the restored files are: the user and group of the same name here, or the same number, or another by request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..catalog.about import Owners
from ..errors import UsageError
from ..options import RestoreOptions
from ..records import MAX_OWNER, whole_number
from ..source.owners import group_number, user_number

Numbers = dict[int, int]


def owners_here(stored: Owners, options: RestoreOptions) -> tuple[Numbers, Numbers]:
    """Numbers of the snapshot's users and groups that are others here. Raises UsageError for a wrong `--map-owner`."""
    by_name = not options.numeric_owner
    return (
        _mapped(stored.users, options.map_owner, user_number, "user", by_name=by_name),
        _mapped(stored.groups, options.map_group, group_number, "group", by_name=by_name),
    )


def _mapped(
    stored: Mapping[int, str], wanted: Iterable[str], number: Callable[[str], int | None], what: str, *, by_name: bool
) -> Numbers:
    found = {}
    for there, name in stored.items() if by_name else ():
        here = number(name) if not name.isdigit() else None
        if here is not None and here != there:
            found[there] = here
    for text in wanted:
        old, mark, new = text.partition(":")
        if not mark or not old or not new:
            raise UsageError(f'"{text}" does not map a {what}', hint="write OLD:NEW, names or numbers")
        goal = number(new)
        if goal is None and new.isascii() and new.isdigit():
            raise UsageError(f'"{text}": no {what} can have this number', hint=f"they go from 0 to {MAX_OWNER}")
        if goal is None:
            raise UsageError(f'there is no {what} "{new}" on this machine', hint="create it, or give a number")
        olds = [one for one, name in stored.items() if name == old]
        if not olds and (one := whole_number(old, MAX_OWNER)) is not None:
            olds = [one]
        if not olds:
            names = ", ".join(sorted(stored.values()))
            hint = f"there are: {names}" if names else "snapshots of earlier versions have numbers only"
            raise UsageError(f'the snapshot has no {what} "{old}"', hint=hint)
        found |= dict.fromkeys(olds, goal)
    return found
