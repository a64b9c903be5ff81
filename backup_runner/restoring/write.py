"""Writes one file, symlink or folder with all its attributes; what exists is checked first."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections import Counter
from collections.abc import Iterable

from ..catalog.restoring import FileRow, PlainRow
from ..records import Flag
from ..spec import Overwrite
from ..targets.base import Buffer
from . import chattr
from .attributes import (
    Attributes,
    Lack,
    differ,
    restore_attributes,
    restore_symlink_attributes,
    set_flags,
    set_simple,
    stat_differs,
)
from .checked import Hasher, Lists
from .goal import NEW_FILE, BlockedError, Goal
from .policy import Decision, RestorePolicy
from .way import path_of

__all__ = ["Decision", "FileWriter", "Hasher", "write_at"]

_BLOCK = 4096
_ZEROS = bytes(_BLOCK)
_LINK = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC
_CLOCK_STEP_NS = 20_000_000
"""File systems' clocks may be this much behind ours."""
_LEFT = "modes, owners or times of existing files differ and were not changed (see --overwrite)"


class FileWriter:
    """Writes below one goal; with one that only pretends, returns what it would do.

    `notes` counts minor events; `lacking` are keys with attributes that could not be set."""

    def __init__(self, goal: Goal, overwrite: Overwrite, lists: Lists | None = None) -> None:
        self.goal = goal
        self.policy = RestorePolicy(goal, overwrite, lists)
        self.notes: Counter[str] = Counter()
        self.lacking: list[tuple[bytes, list[Lack]]] = []
        self.unsealed: list[PlainRow] = []
        """Folders that are finished except for the flags that are set last."""
        self._started_ns = time.time_ns() - _CLOCK_STEP_NS

    def take_lacking(self) -> list[tuple[bytes, list[Lack]]]:
        """What could not be set since the last call."""
        taken, self.lacking = self.lacking, []
        return taken

    # -- files

    def decide(self, row: FileRow) -> Decision:
        """What to do with a file. Raises OSError, BlockedError, UnsafeKeyError."""
        decision = self.policy.file(row)
        if decision is Decision.WRITE and self.goal.pretend:
            self.goal.check_writable(row.key)
        return decision

    def refresh(self, row: FileRow) -> None:
        """Set the attributes of a file with the right bytes, if the policy allows it."""
        with self.goal.handle(row.key) as where:
            there = os.stat(where)
            if not self.policy.touches:
                if stat_differs(there, row):
                    self.notes[_LEFT] += 1
            elif not differ(where, there, row) or self.goal.pretend:
                return
            elif not self.policy.may_change_in_place(there, row):
                # Otherwise, `decide` would have replaced it.
                raise BlockedError("it was replaced by another file during the restore; restore again")
            else:
                self._set_attributes(where, row.key, row)

    def put(self, row: FileRow, data: Buffer) -> None:
        """Write a checked content and give it its final name."""
        fd, temporary = self.create(row.key)
        try:
            write_at(fd, data, 0, sparse=bool(row.flags & Flag.SPARSE))
            if row.flags & Flag.SPARSE:
                os.ftruncate(fd, row.size)
            self.finish(fd, row, temporary)
        except BaseException:
            self.discard(row.key, temporary)
            raise
        finally:
            os.close(fd)

    def create(self, key: bytes) -> tuple[int, bytes]:
        """Descriptor and name of a new temporary file next to the goal of `key`."""
        temporary = self.goal.temporary_name()
        return self.goal.write_in(key, lambda at, _: os.open(temporary, NEW_FILE, 0o600, dir_fd=at)), temporary

    def reopen(self, key: bytes, temporary: bytes) -> int:
        """Descriptor of a temporary file that another process made."""
        return os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.goal.place(key)[0])

    def finish(self, fd: int, row: FileRow, temporary: bytes) -> None:
        """Set the attributes of a temporary file and give it its final name."""
        lacking = restore_attributes(fd, row)
        self._rename(row.key, temporary)
        self.note_lacking(row.key, lacking)
        if row.blake3 is None and row.md5 is None:
            self.notes["the catalog has no hash to check it with"] += 1

    def discard(self, key: bytes, temporary: bytes) -> None:
        """Delete a temporary file; that it is gone already is not an error."""
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=self.goal.place(key)[0])

    def link(self, first: bytes, row: FileRow) -> Decision:
        """Make `row` a hard link to the restored file `first`."""
        decision = self.policy.link(first, row)
        if decision is Decision.UNCHANGED and not self.policy.touches:
            self.refresh(row)
        if decision is Decision.WRITE and self.goal.pretend:
            self.goal.check_writable(row.key)
        if decision is not Decision.WRITE or self.goal.pretend:
            return decision
        above, source = self.goal.place(first)
        origin = os.dup(above)
        try:
            temporary = self.goal.temporary_name()
            self.goal.write_in(
                row.key,
                lambda at, _: os.link(source, temporary, src_dir_fd=origin, dst_dir_fd=at, follow_symlinks=False),
            )
            self._rename(row.key, temporary)
        finally:
            os.close(origin)
        return decision

    # -- folders and symlinks

    def make_folder(self, key: bytes) -> bool:
        """Create a folder that only its owner can access for now; whether it was not there. Raises BlockedError if
        something else is kept there."""
        if self.goal.make_folder(key):
            return True
        there = self.goal.look(key)
        if there is None:
            raise BlockedError("something was in the place of the folder and disappeared; restore again")
        if self.policy.folder(there) is Decision.WRITE:
            self.goal.replace_by_folder(key)
            return True
        self.goal.note_closed(key, there)
        return False

    def finish_folder(self, row: PlainRow, *, stays: bool = False) -> None:
        """Set the final attributes of a folder when nothing more is written in it; for an existing one, by policy.

        With `stays`, the user gave the folder, and it keeps its own attributes if it existed."""
        if self.goal.pretend:
            if not self.goal.has_folder(row.key):
                self.goal.folder(row.key)
            self.goal.set_back(row.key)
            return
        with self.goal.handle(row.key) as where:
            there = os.stat(where)
            touches = self.policy.touches and not stays
            if self.goal.is_new(row.key, there, row.uid) or (touches and differ(where, there, row)):
                if not (self.goal.untouched and set_simple(where, there, row)):
                    self._set_attributes(where, row.key, row)
                self.goal.closed.pop(row.key, None)
                if chattr.flags_of(row.flags) & chattr.LAST:
                    self.unsealed.append(row)
                return
            if not touches and there.st_mtime_ns >= self._started_ns:
                # This restore wrote in it, which already changed its time.
                with contextlib.suppress(OSError, OverflowError):
                    os.utime(where, ns=(row.mtime_ns, row.mtime_ns))
        mode = self.goal.closed.get(row.key, stat.S_IMODE(there.st_mode))
        self.goal.set_back(row.key)
        if not touches and not stays and (mode, there.st_uid, there.st_gid) != (row.mode, row.uid, row.gid):
            self.notes[_LEFT] += 1

    def put_symlink(self, row: PlainRow) -> Decision:
        """Create a symlink; its target does not matter, nothing is written through it."""
        decision = self.policy.symlink(row)
        if self.goal.pretend:
            if decision is Decision.WRITE:
                self.goal.check_writable(row.key)
            return decision
        if decision is Decision.WRITE:
            temporary = self.goal.temporary_name()
            lacking = self.goal.write_in(row.key, lambda at, _: _make_symlink(at, temporary, row))
            self._rename(row.key, temporary)
            self.note_lacking(row.key, lacking)
        elif decision is Decision.UNCHANGED and self.policy.touches:
            self.note_lacking(row.key, _symlink_attributes(*self.goal.place(row.key), row))
        return decision

    # -- common to all

    def seal(self, row: FileRow | PlainRow, *, whole: bool = True) -> None:
        """Set the flags that prevent changes of a file or folder; not if it is not `whole`, so
        that the next restore can complete it. Raises OSError, UnsafeKeyError."""
        flags = chattr.flags_of(row.flags) & chattr.LAST
        if not whole:
            self.note_lacking(row.key, [Lack(chattr.named(flags), "not all of its files were restored")])
            return
        with self.goal.handle(row.key) as where:
            self.note_lacking(row.key, set_flags(where, flags))

    def _set_attributes(self, where: int | bytes, key: bytes, row: Attributes) -> None:
        self.note_lacking(key, restore_attributes(where, row))

    def note_lacking(self, key: bytes, lacking: list[Lack]) -> None:
        """Remember attributes that something could not be given."""
        if lacking:
            self.lacking.append((key, lacking))

    def _rename(self, key: bytes, temporary: bytes) -> None:
        """Give a temporary file its final name. Raises OSError; then it is deleted."""
        at, name = self.goal.place(key)
        try:
            try:
                os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
            except IsADirectoryError:
                if not self.policy.changes_types:
                    raise
                # Fails if it is not empty.
                os.rmdir(name, dir_fd=at)
                os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=at)
            if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                raise BlockedError("a folder is in its place; it was not changed") from None
            raise


def _make_symlink(at: int, temporary: bytes, row: PlainRow) -> list[Lack]:
    os.symlink(row.link or b"", temporary, dir_fd=at)
    try:
        return _symlink_attributes(at, temporary, row)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=at)
        raise


def _symlink_attributes(at: int, name: bytes, row: PlainRow) -> list[Lack]:
    """Set the attributes of a symlink, by descriptor, because its name may change."""
    fd = os.open(name, _LINK, dir_fd=at)
    try:
        if not stat.S_ISLNK(os.fstat(fd).st_mode):
            raise BlockedError("it was replaced by something else during the restore; restore again")
        return restore_symlink_attributes(path_of(fd), row)
    finally:
        os.close(fd)


def write_at(fd: int, data: Buffer, offset: int, *, sparse: bool) -> None:
    """Write all of `data` at `offset`; with `sparse`, blocks of zeros are skipped and become holes.

    Raises OSError. The caller sets the length of a sparse file, which may end in a hole.
    """
    view = memoryview(data)
    for start, end in _filled(view) if sparse else [(0, len(view))]:
        while start < end:
            start += os.pwrite(fd, view[start:end], offset + start)


def _filled(view: memoryview) -> Iterable[tuple[int, int]]:
    """The runs between blocks of zeros."""
    begin = -1
    for start in range(0, len(view), _BLOCK):
        block = view[start : start + _BLOCK]
        if block == _ZEROS[: len(block)]:
            if begin >= 0:
                yield begin, start
            begin = -1
        elif begin < 0:
            begin = start
    if begin >= 0:
        yield begin, len(view)
