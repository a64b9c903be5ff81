"""Everything in a restore except file data: folders, hard links, symlinks."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial
from heapq import merge
from itertools import islice
from operator import itemgetter

from ..catalog.restoring import FileRow, PlainRow, Selection
from .book import Book
from .way import components
from .work import CAUGHT
from .write import Decision, FileWriter

_OPEN_MODE = 0o777
"""The mode of parent folders that are not in the snapshot, before the umask."""
_NO_LINK = {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
"""Errors of link(2) for a file that can be written all the same: another's (protected_hardlinks), an immutable one, one
on another mount, one with as many names as a file may have."""


class TreeRestore:
    """Creates and finishes folders, hard links and symlinks of one restore, or records what it would do."""

    def __init__(self, chosen: Selection, book: Book, writer: FileWriter, *, root_stays: bool) -> None:
        """With `root_stays`, the destination folder existed, and keeps its attributes."""
        self._chosen = chosen
        self._book = book
        self._writer = writer
        self._root_stays = root_stays
        self._folders = chosen.folders()
        self._made: bytes | None = b""
        """All folders up to this one, by key, are made; None for all."""
        self._has_ways = True

    def begin(self) -> None:
        """Make folders that are needed before files are restored: all where something may be there already; otherwise
        those that lead to chosen paths, while `make_folders` makes the others when they are needed."""
        if self._writer.goal.untouched:
            self._has_ways = next(self._ways(), None) is not None
        if not self._writer.goal.untouched or self._has_ways:
            self.make_folders()

    def make_folders(self, upto: bytes | None = None) -> None:
        """All chosen folders up to one, in the order of their keys; or all, and parent folders of what was chosen."""
        if self._made is None or (upto is not None and upto <= self._made):
            return
        for row in self._folders:
            if row.key and not self._book.stopped():
                self._book.attempt(row.key, partial(self._make_folder, row.key))
            self._made = row.key
            if upto is not None and upto <= row.key:
                return
        self._made = None
        for head in self._ways() if self._has_ways else ():
            self._book.attempt_quietly("a folder could not be created", partial(self._make_parents, head))

    def _ways(self) -> Iterator[bytes]:
        """Folders that contain chosen paths but are not chosen themselves."""
        open_folders: list[bytes] = []
        last = b""
        for key in self._chosen.all_keys():
            while open_folders and not key.startswith(open_folders[-1]):
                open_folders.pop()
            head, slash, _ = key.removesuffix(b"/").rpartition(b"/")
            head += slash
            if head and head != last and (not open_folders or open_folders[-1] != head):
                last = head
                yield head
            if key.endswith(b"/"):
                open_folders.append(key)

    def _make_folder(self, key: bytes) -> None:
        try:
            self._writer.make_folder(key)
        except FileNotFoundError:
            head, slash, _ = key.removesuffix(b"/").rpartition(b"/")
            self._make_parents(head + slash)
            self._writer.make_folder(key)

    def _make_parents(self, key: bytes) -> None:
        goal, at = self._writer.goal, b""
        for part in components(key):
            at += part + b"/"
            known = self._chosen.has(at)
            made = goal.make_folder(at) if known else goal.make_folder(at, _OPEN_MODE)
            if made and known:
                # They get their attributes with the others.
                self._chosen.add_key(at)
            elif not made and (there := goal.look(at)):
                goal.note_closed(at, there)

    def finish_folders(self) -> None:
        """Set the attributes of folders, deepest first, and restore the modes of folders made writable."""
        rows = ((row.key, row) for row in self._chosen.folders_deepest_first())
        closed = ((key, None) for key in sorted(self._writer.goal.closed, reverse=True))
        for key, row in merge(rows, closed, key=itemgetter(0), reverse=True):
            what = "a folder's attributes could not be set"
            if self._book.stopped() and not self._writer.goal.has_folder(key):
                continue
            if row is None:
                self._book.attempt_quietly(what, partial(self._writer.goal.set_back, key))
                continue
            finish = partial(self._writer.finish_folder, row, stays=self._root_stays and not key)
            if self._book.attempt_quietly(what, finish):
                self._book.counts["folders"] += 1

    def seal(self) -> None:
        """Set the flags that prevent later changes."""
        writer, what = self._writer, "the flags of a file or folder could not be set"
        for row, status in self._book.unsealed:
            if writer.policy.touches or status != Decision.UNCHANGED:
                self._book.attempt_quietly(what, partial(writer.seal, row))
        incomplete = self._book.incomplete_folders()
        for folder in writer.unsealed:
            whole = not self._book.stopped() and folder.key not in incomplete
            self._book.attempt_quietly(what, partial(writer.seal, folder, whole=whole))

    def gather_links(self) -> None:
        """If one name of a file with several exists, chosen or not, the others become links to it."""
        if self._writer.goal.untouched:
            return
        changes = []
        for group in self._chosen.groups():
            if self._book.stopped():
                return
            first = self._first(group).path_id
            if first != group[0].path_id:
                changes.append((group[0].path_id, first))
        self._chosen.lead(changes)
        changes = []
        for row, others in self._chosen.apart():
            if self._book.stopped():
                return
            if not self._in_place(row):
                there = (number for number, key in others if self._may_join(row._replace(key=key)))
                changes += [(row.path_id, number) for number in islice(there, 1)]
        self._chosen.lead(changes)

    def _first(self, group: list[FileRow]) -> FileRow:
        """To which the others are linked. One that is kept with other attributes is none: whom these let in must not
        get the others, too. Nor is one with other bytes, if a new name is to get them."""
        new = [row for row in group if self._is_new(row)]
        for row in group:
            if self._in_place(row) and (not new or self._writer.policy.has_bytes(row)):
                return row
        return new[0] if new else group[0]

    def _is_new(self, row: FileRow) -> bool:
        try:
            return self._writer.policy.file(row) is Decision.WRITE
        except CAUGHT:
            return False

    def links(self) -> None:
        # The first name does not have this content, so the others cannot be links to it.
        self._chosen.unlink(self._book.absent)
        refused: list[int] = []
        for first, row in self._chosen.links():
            if self._book.stopped():
                return
            self._book.attempt(row.key, partial(self._link, refused, first, row))
        self._chosen.unlink(refused)

    def _in_place(self, row: FileRow) -> bool:
        """Whether a file exists, and has its attributes, unless it gets them now."""
        policy = self._writer.policy
        try:
            return policy.file(row) is Decision.UNCHANGED if policy.touches else policy.is_whole(row)
        except CAUGHT:
            return False

    def _may_join(self, row: FileRow) -> bool:
        """Whether a file that was not chosen exists as it should be."""
        policy = self._writer.policy
        try:
            return policy.is_whole(row) and policy.has_bytes(row)
        except CAUGHT:
            return False

    def _link(self, refused: list[int], first: bytes, row: FileRow) -> None:
        try:
            decision = self._writer.link(first, row)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            refused.append(row.path_id)
            self._book.notes["a hard link was refused, and the file was restored as a separate one"] += 1
            return
        self._book.record(row, "linked" if decision is Decision.WRITE else decision.value)
        self._book.events.advance(1, row.size)

    def symlinks(self) -> None:
        for row in self._chosen.symlinks():
            if self._book.stopped():
                return
            self._book.attempt(row.key, partial(self._symlink, row))

    def _symlink(self, row: PlainRow) -> None:
        decision = self._writer.put_symlink(row)
        self._book.record(row, "symlinks" if decision is Decision.WRITE else decision.value)
        self._book.events.advance(1, 0)
