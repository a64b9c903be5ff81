"""Merges two streams sorted by key, scan and catalog, into actions on a job's paths.

Pure: the streams and all knowledge (`Facts`) are handed in. Nothing here keeps a list of all files; memory grows
only with the number of hard-linked files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ..policy import StoringPolicy
from ..reasons import Cause, Finding, Reason
from ..records import OUTPUT_DEV, Action, ActionKind, CatalogRow, Digests, Entry, EntryFields, Flag, Kind
from ..spec import Detect, Overwrite

Brief = tuple[bytes, int, int, int, int, int, int, int]
"""The first eight fields of a `CatalogRow`."""
_NEW = Reason(Cause.NEW)
_OUTPUT = Reason(Cause.OUTPUT)


@dataclass(frozen=True, slots=True)
class Policy:
    """The job's settings that decide what counts as changed and what happens to it."""

    overwrite: Overwrite
    detect: Detect
    reseal: bool = False
    """Upload contents imported from another tool again, in our format."""
    unread_from: int = StoringPolicy().small
    """Changed files of at least this many bytes are not read for the plan: apply reads them anyway, and stores what is
    new."""


class Facts(Protocol):
    """What the planner may ask; each answer may cost a query of the catalog or reading a file."""

    def has_size(self, size: int) -> bool:
        """Whether some stored content has this size."""
        ...

    def digest(self, key: bytes, like: int | None = None) -> Digests | None:
        """Hash the file; None if it cannot be read (the problem is reported elsewhere). `like`: the content that it
        had, where that is known by its pieces, is compared piece by piece."""
        ...

    def find(self, digests: Digests) -> int | None:
        """The stored content with these digests."""
        ...

    def same(self, content_id: int, digests: Digests) -> bool | None:
        """Whether the content has these digests; None: only its MD5 is known, and that is equal."""
        ...

    def imported(self, content_id: int) -> bool:
        """Whether the content is in another tool's format."""
        ...

    def leader_key(self, path_id: int) -> bytes: ...

    def row(self, key: bytes) -> CatalogRow:
        """The complete row of a path whose row was brief."""
        ...

    def damage(self, content_id: int) -> Reason | None:
        """Why the content can no longer be read from the bucket; None if it can."""
        ...

    def unlisted(self, key: bytes) -> bool:
        """Whether the path is in a folder that could not be listed, so that it may still exist."""
        ...

    def gone_reason(self, key: bytes) -> Reason:
        """Why a path that the scan did not find is removed: deleted, skipped by a rule, or its source was removed."""
        ...


@dataclass(slots=True)
class Tally:
    """What the merge found: files only, except `folders`; bytes are of the files' contents."""

    unchanged: int = 0
    unchanged_bytes: int = 0
    held_before: int = 0
    held_examples: list[bytes] = field(default_factory=list)
    known: int = 0
    """Files that the catalog had before."""
    kept_unseen: int = 0
    """Paths kept because their folder could not be listed."""


class PathPlanner:
    """Merges a scan with the catalog's rows; `tally` is complete once `run` is exhausted."""

    def __init__(self, policy: Policy, facts: Facts) -> None:
        self.tally = Tally()
        self._policy = policy
        self._facts = facts
        self._leaders: dict[tuple[int, int], bytes] = {}

    def run(self, entries: Iterable[EntryFields], rows: Iterable[CatalogRow | Brief]) -> Iterator[Action]:
        """Actions in the order of keys. Both inputs must be sorted by key.

        Rows may be brief: only the first eight fields of a path, if nothing else matters as long as these equal what
        the scan found."""
        upcoming = iter(rows)
        row = next(upcoming, None)
        # Almost all paths are equal in all fields: that case must cost one comparison.
        quick = self._policy.detect is Detect.CTIME
        tally = self.tally
        folder = int(Kind.DIRECTORY)
        unchanged = unchanged_bytes = 0
        for entry in entries:
            key = entry[0]
            while row is not None and row[0] < key:
                yield from self._gone(self._whole(row))
                row = next(upcoming, None)
            if row is None or row[0] != key:
                yield self._new(Entry._make(entry))
                continue
            if quick and entry[:8] == row[:8] and (len(row) == 8 or self._plain(row)):
                if entry[1] == folder:
                    pass
                elif entry[10] < 2:
                    unchanged += 1
                    unchanged_bytes += row[2]
                else:
                    # One of several hard links: another one may be the first now.
                    yield from self._known(Entry._make(entry), self._whole(row))
            else:
                yield from self._known(Entry._make(entry), self._whole(row))
            row = next(upcoming, None)
        tally.known += unchanged
        tally.unchanged += unchanged
        tally.unchanged_bytes += unchanged_bytes
        while row is not None:
            yield from self._gone(self._whole(row))
            row = next(upcoming, None)

    def _plain(self, row: CatalogRow) -> bool:
        """Whether nothing but the first eight fields matters."""
        special = row.flags or row.leader or row.held
        return not special and not self._reseals(row) and not (row.content_id and self._facts.damage(row.content_id))

    def _whole(self, row: CatalogRow | Brief) -> CatalogRow:
        return row if isinstance(row, CatalogRow) else self._facts.row(row[0])

    # -- paths that the catalog does not have

    def _new(self, entry: Entry) -> Action:
        if entry.dev == OUTPUT_DEV:
            return _action(ActionKind.UPLOAD, entry, _OUTPUT)
        if entry.kind != Kind.FILE:
            return _action(ActionKind.UPLOAD, entry, _NEW)
        leader = self._leader(entry)
        if leader is not None and leader != entry.key:
            return _action(ActionKind.LINK, entry, Reason(Cause.HARD_LINK), leader=leader)
        return self._store(entry, leader, ActionKind.UPLOAD, _NEW)

    def _store(self, entry: Entry, leader: bytes | None, kind: ActionKind, reason: Reason) -> Action:
        digests = self._facts.digest(entry.key) if self._facts.has_size(entry.size) else None
        if digests is None:
            return _action(kind, entry, reason, leader=leader)
        found = self._facts.find(digests)
        if found is None or self._facts.damage(found):
            return _action(kind, entry, reason, leader=leader, digests=digests)
        reason = reason.also(Finding.STORED)
        return _action(ActionKind.LINK, entry, reason, leader=leader, digests=digests, content_id=found)

    # -- paths that it has

    def _known(self, entry: Entry, row: CatalogRow) -> Iterator[Action]:
        if entry.kind == Kind.DIRECTORY:
            if reason := _moved(entry, row, self._policy.detect) or _meta_moved(entry, row) or _lacking(row):
                yield _action(ActionKind.TOUCH, entry, reason)
            return
        self.tally.known += 1
        if entry.dev == OUTPUT_DEV:
            # Its size is unknown, so the last one is used.
            last = Entry(*row[:8], OUTPUT_DEV, 0, 1, 0)._replace(kind=Kind.FILE)
            yield _action(ActionKind.UPDATE, last, _OUTPUT, content_id=row.content_id)
        elif entry.kind != row.kind:
            was = "symlink" if row.kind == Kind.SYMLINK else "file"
            action = self._new(entry)
            action.kind = ActionKind.UPDATE if action.kind is ActionKind.UPLOAD else action.kind
            action.reason = Reason(Cause.TYPE, details=(was,))
            yield action
        elif entry.kind == Kind.SYMLINK:
            yield from self._known_symlink(entry, row)
        else:
            yield from self._known_file(entry, row)

    def _known_symlink(self, entry: Entry, row: CatalogRow) -> Iterator[Action]:
        if reason := _moved(entry, row, self._policy.detect):
            yield _action(ActionKind.UPDATE, entry, reason)
        elif reason := _meta_moved(entry, row) or _lacking(row):
            yield _action(ActionKind.TOUCH, entry, reason)
        else:
            self._same(row)

    def _known_file(self, entry: Entry, row: CatalogRow) -> Iterator[Action]:
        leader = self._leader(entry)
        # A lost content cannot be protected: only the current file is left.
        never = self._policy.overwrite is Overwrite.NEVER and not self._is_lost(row)
        if never and row.held is not None and (entry.size, entry.mtime_ns, entry.ctime_ns) == row.held:
            self._held(row)
            return
        if never:
            # The leader may be held back and have different bytes from the file now: links are not changed.
            leader = None if row.leader is None else self._facts.leader_key(row.leader)
        elif leader is not None and leader != entry.key:
            yield from self._known_follower(entry, row, leader)
            return
        reason = self._suspicion(entry, row)
        if not reason:
            yield from self._unmoved(entry, row, leader)
        elif never and row.flags & Flag.STALE and not _moved(entry, row, self._policy.detect):
            yield _action(ActionKind.TOUCH, entry, reason, leader=leader, content_id=row.content_id)
        elif never and not self._equal_import(entry, row):
            yield _action(ActionKind.HOLD, entry, reason.also(Finding.KEPT_OLD))
        elif self._policy.overwrite is Overwrite.ALWAYS:
            yield _action(ActionKind.UPDATE, entry, reason.also(Finding.FORCED), leader=leader, forced=True)
        else:
            yield from self._moved_file(entry, row, leader, reason)

    def _is_lost(self, row: CatalogRow) -> bool:
        return row.content_id is not None and bool(self._facts.damage(row.content_id))

    def _known_follower(self, entry: Entry, row: CatalogRow, leader: bytes) -> Iterator[Action]:
        linked = row.leader is not None and self._facts.leader_key(row.leader) == leader
        if linked and not self._suspicion(entry, row):
            yield from self._unmoved(entry, row, leader)
        else:
            yield _action(ActionKind.LINK, entry, Reason(Cause.HARD_LINK), leader=leader)

    def _suspicion(self, entry: Entry, row: CatalogRow) -> Reason | None:
        """Why the bytes may differ from what is stored; None if they cannot."""
        if reason := _stale(row):
            return reason
        if row.flags & Flag.MOVED:
            return Reason(Cause.MOVED)
        if self._policy.detect is not Detect.CHECKSUM:
            return _moved(entry, row, self._policy.detect)
        if entry.size != row.size:
            return Reason(Cause.SIZE)
        digests = self._facts.digest(entry.key, row.content_id)
        if digests is None or row.content_id is None:
            return Reason(Cause.UNREADABLE)
        return None if self._facts.same(row.content_id, digests) is not False else Reason(Cause.CONTENT)

    def _unmoved(self, entry: Entry, row: CatalogRow, leader: bytes | None) -> Iterator[Action]:
        stored_leader = None if row.leader is None else self._facts.leader_key(row.leader)
        reason = _meta_moved(entry, row) or _lacking(row)
        if not reason and stored_leader != leader:
            reason = Reason(Cause.LINKS)
        if not reason and self._policy.detect is Detect.CHECKSUM:
            moved = _moved(entry, row, Detect.CTIME)
            reason = moved.also(Finding.EQUAL) if moved else None
        if row.content_id is not None and (damage := self._facts.damage(row.content_id)):
            yield _action(ActionKind.REPAIR, entry, damage, leader=leader, forced=True, content_id=row.content_id)
        elif self._reseals(row):
            reason = Reason(Cause.IMPORTED)
            yield _action(ActionKind.UPDATE, entry, reason, leader=leader, forced=True, content_id=row.content_id)
        elif reason:
            yield _action(ActionKind.TOUCH, entry, reason, leader=leader, content_id=row.content_id)
        else:
            self._same(row)

    def _reseals(self, row: CatalogRow) -> bool:
        return self._policy.reseal and row.content_id is not None and self._facts.imported(row.content_id)

    def _equal_import(self, entry: Entry, row: CatalogRow) -> bool:
        """Whether a file is unchanged since the import, although the other tool did not record its times exactly."""
        if row.content_id is None or entry.size != row.size or not self._facts.imported(row.content_id):
            return False
        digests = self._facts.digest(entry.key, row.content_id)
        return digests is not None and self._facts.same(row.content_id, digests) is not False

    def _moved_file(self, entry: Entry, row: CatalogRow, leader: bytes | None, reason: Reason) -> Iterator[Action]:
        if self._stays_unread(entry, row):
            yield _action(ActionKind.UPDATE, entry, reason, leader=leader, content_id=row.content_id)
            return
        if entry.size != row.size or row.content_id is None:
            yield self._store(entry, leader, ActionKind.UPDATE, reason)
            return
        digests = self._facts.digest(entry.key, row.content_id)
        if digests is None:
            yield _action(ActionKind.UPDATE, entry, reason, leader=leader)
            return
        same = self._facts.same(row.content_id, digests)
        if same is False:
            found = self._facts.find(digests)
            if found is not None and not self._facts.damage(found):
                reason = reason.also(Finding.STORED)
                yield _action(ActionKind.LINK, entry, reason, leader=leader, digests=digests, content_id=found)
            else:
                reason = reason.also(Finding.DIFFERS)
                yield _action(ActionKind.UPDATE, entry, reason, leader=leader, digests=digests)
            return
        if damage := self._facts.damage(row.content_id):
            yield _action(ActionKind.REPAIR, entry, damage, leader=leader, forced=True, content_id=row.content_id)
            return
        reason = reason.also(Finding.EQUAL if same else Finding.EQUAL_MD5)
        if self._reseals(row):
            reason = reason.also(Finding.RESEALED)
            yield _action(ActionKind.UPDATE, entry, reason, leader=leader, forced=True, content_id=row.content_id)
            return
        yield _action(ActionKind.TOUCH, entry, reason, leader=leader, digests=digests, content_id=row.content_id)

    def _stays_unread(self, entry: Entry, row: CatalogRow) -> bool:
        """Whether apply will find out what is new in a file. Lost and imported contents are read at once: the plan
        must say whether they can be stored again."""
        if entry.size < self._policy.unread_from or self._policy.detect is Detect.CHECKSUM or row.content_id is None:
            return False
        return not self._facts.imported(row.content_id) and not self._facts.damage(row.content_id)

    # -- paths that the scan did not find

    def _gone(self, row: CatalogRow) -> Iterator[Action]:
        if row.kind != Kind.DIRECTORY:
            self.tally.known += 1
        if self._facts.unlisted(row.key):
            self.tally.kept_unseen += 1
            return
        yield Action(
            ActionKind.REMOVE, self._facts.gone_reason(row.key), row.key, row.kind, row.size, row.mtime_ns, row.ctime_ns
        )

    # -- helpers

    def _leader(self, entry: Entry) -> bytes | None:
        """The first path of this inode, if it has several links; the path itself when it is the first."""
        if entry.links < 2:
            return None
        return self._leaders.setdefault((entry.dev, entry.ino), entry.key)

    def _same(self, row: CatalogRow) -> None:
        self.tally.unchanged += 1
        self.tally.unchanged_bytes += row.size

    def _held(self, row: CatalogRow) -> None:
        self.tally.held_before += 1
        if len(self.tally.held_examples) < 20:
            self.tally.held_examples.append(row.key)


def _action(
    kind: ActionKind,
    entry: Entry,
    reason: Reason,
    *,
    leader: bytes | None = None,
    digests: Digests | None = None,
    content_id: int | None = None,
    forced: bool = False,
) -> Action:
    return Action(
        kind,
        reason,
        entry.key,
        entry.kind,
        entry.size,
        entry.mtime_ns,
        entry.ctime_ns,
        digests.blake3 if digests else None,
        content_id,
        leader,
        forced,
    )


def _moved(entry: Entry, row: CatalogRow, detect: Detect) -> Reason | None:
    if entry.size != row.size:
        return Reason(Cause.SIZE)
    if entry.mtime_ns != row.mtime_ns:
        return Reason(Cause.MTIME)
    if row.ctime_ns == 0:
        # Imported: the times that another tool recorded say nothing about the content that it stored.
        return Reason(Cause.NEVER_COMPARED)
    if detect is not Detect.MTIME and entry.ctime_ns != row.ctime_ns:
        return Reason(Cause.CTIME)
    return None


def _stale(row: CatalogRow) -> Reason | None:
    return Reason(Cause.UNREAD) if row.flags & Flag.STALE else None


def _lacking(row: CatalogRow) -> Reason | None:
    """Why an entry must be checked again although it did not change."""
    return _stale(row) or (Reason(Cause.ATTRIBUTES_UNREAD) if row.flags & Flag.NO_ATTRIBUTES else None)


def _meta_moved(entry: Entry, row: CatalogRow) -> Reason | None:
    both = (("mode", entry.mode, row.mode), ("owner", entry.uid, row.uid), ("group", entry.gid, row.gid))
    moved = tuple(name for name, now, before in both if now != before)
    return Reason(Cause.METADATA, details=moved) if moved else None
