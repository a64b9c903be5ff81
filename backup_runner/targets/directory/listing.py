"""The listing of a directory target. Whatever cannot be an object (symlinks, FIFOs, foreign names) is ignored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ...errors import ObjectMissing
from ...records import StoredObject
from .beneath import Beneath
from .files import may_be_named, stored, translated


def walk(beneath: Beneath, start: str, prefix: str) -> Iterator[StoredObject]:
    """The objects below the folder `start` ("" or "a/") whose name starts with `prefix`, sorted by name.

    Depth first; a folder sorts as its name plus "/", which gives whole names in order."""
    ways = [(start, _names(beneath, start, prefix))]
    while ways:
        folder, names = ways[-1]
        if not names:
            ways.pop()
        elif names[-1].endswith("/"):
            below = folder + names.pop()
            ways.append((below, _names(beneath, below, prefix)))
        else:
            yield from _files(beneath, folder, names)


def _names(beneath: Beneath, folder: str, prefix: str) -> list[str]:
    """What is in the folder, last first; folders end in "/"."""
    path = f"{beneath.root}/{folder}"
    found = []
    try:
        with (
            translated("listing", path),
            beneath.folder(folder.rstrip("/")) as descriptor,
            os.scandir(descriptor) as entries,
        ):
            for entry in entries:
                name = folder + entry.name
                if not may_be_named(name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if f"{name}/".startswith(prefix) or prefix.startswith(f"{name}/"):
                        found.append(f"{entry.name}/")
                elif name.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    found.append(entry.name)
    except ObjectMissing:
        return []
    return sorted(found, reverse=True)


def _files(beneath: Beneath, folder: str, names: list[str]) -> Iterator[StoredObject]:
    """The files at the end of `names`, up to the next folder; they are removed from the list."""
    path = f"{beneath.root}/{folder}"
    with translated("listing", path), beneath.folder(folder.rstrip("/")) as descriptor:
        while names and not names[-1].endswith("/"):
            last = names.pop()
            try:
                status = os.stat(last, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield stored(folder + last, status)
