"""What happens to existing files: the one place that knows `--overwrite`.

| existing | never | changed | always |
|---|---|---|---|
| the same file, folder or symlink | unchanged, attributes too | gets the attributes | written again |
| a file or symlink that differs | reported | replaced | replaced |
| a folder, in place of a file or symlink | reported | reported | replaced if it is empty |
| an empty file, in place of a folder | reported | reported | replaced |
| a symlink or another file, in place of a folder | reported | reported | reported |

What is reported was not changed.

A file is also replaced, never changed in place, if it has another owner or other names and its
attributes differ: the other names may be unrelated files.
"""

from __future__ import annotations

import errno
import os
import stat
from enum import StrEnum

from ..catalog.restoring import FileRow, PlainRow
from ..spec import Overwrite
from .attributes import Attributes, differ
from .checked import Lists, same_bytes
from .goal import BlockedError, Goal


class Decision(StrEnum):
    """What is done with a path, given what exists."""

    WRITE = "restored"
    UNCHANGED = "unchanged"
    KEEP = "kept"


class RestorePolicy:
    """Checks what exists and decides; changes nothing. All methods raise OSError, UnsafeKeyError, BlockedError."""

    def __init__(self, goal: Goal, overwrite: Overwrite, lists: Lists | None = None) -> None:
        self._goal = goal
        self._lists = lists
        self._overwrite = overwrite
        self._euid = os.geteuid()

    @property
    def touches(self) -> bool:
        """Whether existing files may be changed at all."""
        return self._overwrite is not Overwrite.NEVER

    @property
    def changes_types(self) -> bool:
        """Whether an empty folder may be replaced by a file."""
        return self._overwrite is Overwrite.ALWAYS

    def file(self, row: FileRow) -> Decision:
        """What to do with a file."""
        there = self._goal.look(row.key)
        if there is None:
            return Decision.WRITE
        if stat.S_ISDIR(there.st_mode):
            return self._over_folder(row.key, "file")
        if self._overwrite is Overwrite.ALWAYS:
            return Decision.WRITE
        if not self._same(there, row):
            return Decision.WRITE if self.touches else Decision.KEEP
        return Decision.WRITE if self.touches and self._must_be_new(there, row) else Decision.UNCHANGED

    def is_whole(self, row: FileRow) -> bool:
        """Whether a file exists with its bytes and all its attributes, and is kept."""
        there = self._goal.look(row.key)
        if there is None or self.file(row) is not Decision.UNCHANGED:
            return False
        with self._goal.handle(row.key) as where:
            return not differ(where, there, row)

    def has_bytes(self, row: FileRow) -> bool:
        """Whether a file has its bytes, whatever its time says: they are read."""
        return same_bytes(*self._goal.place(row.key), row, self._lists)

    def symlink(self, row: PlainRow) -> Decision:
        """What to do with a symlink."""
        there = self._goal.look(row.key)
        if there is None:
            return Decision.WRITE
        if stat.S_ISDIR(there.st_mode):
            return self._over_folder(row.key, "symlink")
        at, name = self._goal.place(row.key)
        if stat.S_ISLNK(there.st_mode) and os.readlink(name, dir_fd=at) == (row.link or b""):
            have = (there.st_uid, there.st_gid, there.st_mtime_ns)
            same = have == (row.uid, row.gid, row.mtime_ns) or self.may_change_in_place(there, row)
            return Decision.UNCHANGED if same or not self.touches else Decision.WRITE
        return Decision.WRITE if self.touches else Decision.KEEP

    def link(self, first: bytes, row: FileRow) -> Decision:
        """What to do with another name of a file that was restored as `first`."""
        decision = self.file(row)
        if decision is not Decision.KEEP and self._same_file(first, row.key):
            return Decision.UNCHANGED
        return Decision.WRITE if decision is Decision.UNCHANGED and self.touches else decision

    def folder(self, there: os.stat_result) -> Decision:
        """What to do if something is in a folder's place."""
        if stat.S_ISDIR(there.st_mode):
            return Decision.UNCHANGED
        is_file = stat.S_ISREG(there.st_mode) and there.st_size == 0
        holds_nothing = is_file or stat.S_ISFIFO(there.st_mode) or stat.S_ISSOCK(there.st_mode)
        if self.changes_types and holds_nothing:
            return Decision.WRITE
        what = "a symlink" if stat.S_ISLNK(there.st_mode) else "something other than a folder"
        raise BlockedError(f"{what} is in the place of the folder; it was not changed")

    def may_change_in_place(self, there: os.stat_result, row: Attributes) -> bool:
        """Whether attributes of a file may be set in place: it has the right owner and no other name."""
        owner = there.st_uid == (self._euid or row.uid)
        return owner and there.st_nlink == 1

    def _must_be_new(self, there: os.stat_result, row: FileRow) -> bool:
        if self.may_change_in_place(there, row):
            return False
        with self._goal.handle(row.key) as where:
            return differ(where, there, row)

    def _over_folder(self, key: bytes, what: str) -> Decision:
        if self.changes_types and self._goal.is_empty(key):
            return Decision.WRITE
        raise BlockedError(f"a folder is in the place of the {what}; it was not changed")

    def _same(self, there: os.stat_result, row: FileRow) -> bool:
        if not stat.S_ISREG(there.st_mode) or there.st_size != row.size:
            return False
        # The time of an imported file was recorded by another tool, perhaps for a later content.
        timely = there.st_mtime_ns == row.mtime_ns and row.format != "legacy"
        return timely or self.has_bytes(row)

    def _same_file(self, one: bytes, other: bytes) -> bool:
        try:
            first, second = self._goal.look(one), self._goal.look(other)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
        return first is not None and second is not None and os.path.samestat(first, second)
