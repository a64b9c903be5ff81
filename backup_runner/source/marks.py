"""Folders that are excluded because of a file in them."""

from __future__ import annotations

import os
import stat
from typing import Final

from ..beneath import open_beneath
from ..spec import Bounds, SkipLine

TAG: Final = b"CACHEDIR.TAG"
SIGNATURE: Final = b"Signature: 8a477f597d28d172789f06886806bc55"
"""How such a file starts: Cache Directory Tagging Specification 0.6, https://bford.info/cachedir/."""


def mark_of(folder: int, bounds: Bounds) -> tuple[str, str] | None:
    """The setting that excludes a folder, opened for reading, and the name of the file that marks it; None if there is
    none.

    Files that cannot be accessed are ignored."""
    for name in bounds.markers:
        try:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            continue
        return "skip_if_present", name
    return ("skip_caches", TAG.decode()) if bounds.caches and _is_cache(folder) else None


def mark_at(path: bytes, bounds: Bounds) -> tuple[str, str] | None:
    """Like `mark_of`, for a folder by its path, symlinks not followed; None if it cannot be opened."""
    if not bounds.markers and not bounds.caches:
        return None
    try:
        fd = open_beneath(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        return mark_of(fd, bounds)
    finally:
        os.close(fd)


def bound_line(bounds: Bounds, *, elsewhere: bool, size: int, folder: bytes | None) -> SkipLine | None:
    """The setting that excludes an entry: one on another file system, a file of so many bytes, the folder at a path.

    In the order of the scan itself, whose inner loop (`folder`) has no time to ask here."""
    if bounds.one_file_system and elsewhere:
        return bounds.line("one_file_system")
    if bounds.max_file_size is not None and size > bounds.max_file_size:
        return bounds.line("max_file_size")
    mark = mark_at(folder, bounds) if folder is not None else None
    return bounds.line(mark[0], mark[1] if mark[0] == "skip_if_present" else "") if mark else None


def _is_cache(folder: int) -> bool:
    try:
        # A FIFO of that name must not block the scan.
        fd = os.open(TAG, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and os.read(fd, len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False
    finally:
        os.close(fd)
