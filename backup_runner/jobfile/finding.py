"""Finds job files given one by one, by folder, or by pattern."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

ENDINGS = (".yaml", ".yml")


def find_job_files(arguments: Sequence[str]) -> list[str]:
    """The files, in the order of the arguments and sorted within each, without duplicates.

    A folder means every *.yaml and *.yml below it except hidden ones; symlinks to folders are not followed. A
    pattern (`*`, `?`, `[…]`, `**`) is expanded if no file has that exact name. Arguments that match nothing are kept,
    and `load` reports them."""
    found: dict[str, None] = {}
    for argument in arguments:
        found.update(dict.fromkeys(_matches(argument) or [argument]))
    return list(found)


def _matches(argument: str) -> list[str]:
    if "\0" in argument:
        return []
    if os.path.isdir(argument):
        return sorted(_below(argument))
    if os.path.lexists(argument) or not glob.has_magic(argument):
        return []
    matches = sorted(glob.glob(argument, recursive=True))
    return [path for match in matches for path in (_matches(match) if os.path.isdir(match) else [match])]


def _below(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(ENDINGS) and not name.startswith("."):
                yield os.path.join(place, name)
