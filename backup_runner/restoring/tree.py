"""Everything in a restore except file data: folders, hard links, symlinks."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial
from heapq import merge
from itertools import islice
from operator import itemgetter

from ..catalog.restoring import FileRow, PlainRow, Selection
from .attributes import Lack
from .book import Book
from .chattr import LAST, flags_of, named
from .way import components
from .work import CAUGHT, problem_of
from .write import Decision, FileWriter

_OPEN_MODE = 0o777
"""The mode of parent folders that are not in the snapshot, before the umask."""
_NO_LINK = {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
"""Errors of link(2) for a file that can be written all the same: another's (protected_hardlinks), an immutable one, one
on another mount, one with as many names as a file may have."""
_NOT_SET = "a folder's attributes could not be set"


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
        self._suspects: set[bytes] = set()
        """Folders that were not chosen, and that a killed restore may have made."""

    def begin(self) -> None:
        """Make folders that are needed before files are restored: all where something may be there already; otherwise
        those that lead to chosen paths, while `make_folders` makes the others when they are needed."""
        if self._writer.goal.untouched:
            self._has_ways = next(_ways(self._chosen.all_keys()), None) is not None
        else:
            self._writer.goal.sweep(b"", self._chosen.has)
            self._writer.goal.note_beyond(self._chosen.has_chosen)
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
        for head in _ways(self._chosen.all_keys()) if self._has_ways else ():
            if self._book.attempt_quietly("a folder could not be created", partial(self._make_parents, head)):
                self._writer.goal.sweep(head, self._chosen.has)

    def _make_folder(self, key: bytes) -> None:
        try:
            if not self._writer.make_folder(key):
                self._writer.goal.sweep(key, self._chosen.has)
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
            there = goal.look(at)
            suspect = there and not made and goal.is_new(at, there, there.st_uid)
            if known and (made or suspect):
                # They get their attributes with the others.
                if self._chosen.add_key(at) and suspect:
                    self._suspects.add(at)
            elif there and not made:
                goal.note_closed(at, there)

    def finish_folders(self) -> None:
        """Set the attributes of folders, deepest first, and restore the modes of folders made writable."""
        # First those that have another key as well, and perhaps other modes in the snapshot.
        self._book.attempt_quietly(_NOT_SET, self._writer.goal.set_back_beyond)
        rows = ((row.key, row) for row in self._chosen.folders_deepest_first())
        closed = ((key, None) for key in sorted(self._writer.goal.closed, reverse=True))
        for key, row in merge(rows, closed, key=itemgetter(0), reverse=True):
            if self._book.stopped() and not self._writer.goal.has_folder(key):
                continue
            if row is None:
                self._book.attempt_quietly(_NOT_SET, partial(self._writer.goal.set_back, key))
                continue
            stays = key in self._suspects or (self._root_stays and not key)
            finish = partial(self._writer.finish_folder, row, stays=stays)
            if self._book.attempt_quietly(_NOT_SET, finish):
                self._book.counts["folders"] += 1

    def seal(self) -> None:
        """Set the flags that prevent later changes."""
        writer = self._writer
        for row, status in self._book.unsealed:
            if writer.policy.touches or status != Decision.UNCHANGED:
                self._seal(row)
        incomplete = self._book.incomplete_folders()
        for folder in writer.unsealed:
            # It may have been opened for what is in it, and its mode cannot be changed later.
            self._book.attempt_quietly(_NOT_SET, partial(writer.goal.set_back, folder.key))
            self._seal(folder, whole=not self._book.stopped() and folder.key not in incomplete)

    def _seal(self, row: FileRow | PlainRow, *, whole: bool = True) -> None:
        try:
            self._writer.seal(row, whole=whole)
        except CAUGHT as error:
            self._writer.note_lacking(row.key, [Lack(named(flags_of(row.flags) & LAST), problem_of(error)[1])])

    def set_back(self) -> None:
        """Restore the modes of all folders that are still open, or again."""
        goal = self._writer.goal
        self._book.attempt_quietly(_NOT_SET, goal.set_back_beyond)
        while goal.closed:
            # The deepest: for it, the folders above may be opened once more.
            self._book.attempt_quietly(_NOT_SET, partial(goal.set_back, max(goal.closed)))

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


def _ways(keys: Iterator[bytes]) -> Iterator[bytes]:
    """Folders that contain chosen paths but are not chosen themselves, each once; `keys` are chosen and sorted."""
    open_folders: list[bytes] = []
    ways: list[bytes] = []
    for key in keys:
        while open_folders and not key.startswith(open_folders[-1]):
            open_folders.pop()
        head, slash, _ = key.removesuffix(b"/").rpartition(b"/")
        head += slash
        while ways and not head.startswith(ways[-1]):
            ways.pop()
        if head and head not in ways[-1:] and head not in open_folders[-1:]:
            ways.append(head)
            yield head
        if key.endswith(b"/"):
            open_folders.append(key)
