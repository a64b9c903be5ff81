"""Writes ordinary files into folders that this restore created, with fewer questions to the system than elsewhere.

Nothing can be in the way there, and nothing is inherited, so most files need only a mode and a time. Whatever else a
file needs, or finds, is left to `FileWriter`.
"""

from __future__ import annotations

import contextlib
import os

from ..catalog.restoring import FileRow
from ..targets.base import Buffer
from .attributes import Lack, restore_attributes, set_simple
from .goal import NEW_FILE, Goal
from .write import write_at

_PERMISSIONS = 0o777


class Fresh:
    """Writes below one goal."""

    def __init__(self, goal: Goal) -> None:
        self._goal = goal
        self._own = os.geteuid(), os.getegid()

    def takes(self, row: FileRow) -> bool:
        """Whether a file is so ordinary that `put` may be tried."""
        return self._goal.untouched and not row.flags and not row.xattrs and row.blake3 is not None

    def put(self, row: FileRow, data: Buffer) -> list[Lack] | None:
        """Write a checked content under a temporary name and then give it its own. Returns the attributes that it could
        not be given; None if something is there already, and nothing was done. Raises OSError, UnsafeKeyError."""
        at, name = self._goal.place(row.key)
        if os.access(name, os.F_OK, dir_fd=at, follow_symlinks=False):
            return None
        temporary = self._goal.temporary_name()
        # With another owner to come, nobody may read it before.
        mode = row.mode & _PERMISSIONS if (row.uid, row.gid) == self._own else 0o600
        fd = os.open(temporary, NEW_FILE, mode, dir_fd=at)
        try:
            write_at(fd, data, 0, sparse=False)
            lacking = [] if set_simple(fd, os.fstat(fd), row) else restore_attributes(fd, row)
            os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=at)
            raise
        finally:
            os.close(fd)
        return lacking
