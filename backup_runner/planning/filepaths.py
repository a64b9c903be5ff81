"""Decides what to do with a file: whether its content may have changed, and whether the content is stored already."""

from __future__ import annotations

from collections.abc import Iterator

from ..reasons import Cause, Finding, Reason
from ..records import Action, ActionKind, CatalogRow, Entry, Flag
from ..spec import Detect, Overwrite
from .comparing import lacking, metadata_moved, moved, path_action, stale
from .knowledge import Facts, Policy, Tally


class FilePlanner:
    """Decides about files, one at a time; `tally` counts those that are unchanged or held back."""

    def __init__(self, policy: Policy, facts: Facts, tally: Tally) -> None:
        self._policy = policy
        self._facts = facts
        self._tally = tally
        self._firsts: dict[bytes, int | None] = {}
        """The stored content of each file with several hard links, by the first of them; None if it is a new one."""

    def new(self, entry: Entry, leader: bytes | None, reason: Reason) -> Action:
        """A path that was no file before."""
        action = self._store(entry, leader, ActionKind.UPLOAD, reason)
        self._note(entry, leader, _content_after(action))
        return action

    def known(self, entry: Entry, row: CatalogRow, leader: bytes | None) -> Iterator[Action]:
        """A path that already was a file; `leader` is the first path of its inode, if it has several."""
        content = row.content_id
        for action in self._known(entry, row, leader):
            content = _content_after(action)
            yield action
        self._note(entry, leader, content)

    def _note(self, entry: Entry, leader: bytes | None, content: int | None) -> None:
        if leader == entry.key:
            self._firsts[leader] = content

    def _store(self, entry: Entry, leader: bytes | None, kind: ActionKind, reason: Reason) -> Action:
        """A new file. Its content may be stored already, under another name."""
        digests = self._facts.digest(entry.key) if self._facts.has_size(entry.size) else None
        if digests is None:
            return path_action(kind, entry, reason, leader=leader)
        found = self._facts.find(digests)
        if found is None or self._facts.damage(found):
            return path_action(kind, entry, reason, leader=leader, digests=digests)
        reason = reason.also(Finding.STORED)
        return path_action(ActionKind.LINK, entry, reason, leader=leader, digests=digests, content_id=found)

    def _known(self, entry: Entry, row: CatalogRow, leader: bytes | None) -> Iterator[Action]:
        # A lost content cannot be protected: only the current file exists.
        never = self._policy.overwrite is Overwrite.NEVER and not self._is_lost(row)
        if never and row.held is not None and (entry.size, entry.mtime_ns, entry.ctime_ns) == row.held:
            self._tally.held(row)
            return
        if never:
            # The leader may be held back and have different bytes from the file now: links are not changed.
            leader = None if row.leader is None else self._facts.leader_key(row.leader)
        elif leader is not None and leader != entry.key:
            yield from self._follower(entry, row, leader)
            return
        reason = self._suspicion(entry, row)
        if not reason:
            yield from self._unmoved(entry, row, leader)
        elif never and row.flags & Flag.STALE and not moved(entry, row, self._policy.detect):
            yield path_action(ActionKind.TOUCH, entry, reason, leader=leader, content_id=row.content_id)
        elif never and not self._equal_import(entry, row):
            yield path_action(ActionKind.HOLD, entry, reason.also(Finding.KEPT_OLD))
        elif self._policy.overwrite is Overwrite.ALWAYS:
            yield path_action(ActionKind.UPDATE, entry, reason.also(Finding.FORCED), leader=leader, forced=True)
        else:
            yield from self._moved(entry, row, leader, reason)

    def _is_lost(self, row: CatalogRow) -> bool:
        return row.content_id is not None and bool(self._facts.damage(row.content_id))

    def _follower(self, entry: Entry, row: CatalogRow, leader: bytes) -> Iterator[Action]:
        linked = row.leader is not None and self._facts.leader_key(row.leader) == leader
        suspicion = self._suspicion(entry, row)
        if linked and not suspicion:
            yield from self._unmoved(entry, row, leader)
            return
        content = self._firsts.get(leader)
        if content is not None and content == row.content_id:
            suspicion = None
        elif content is not None:
            suspicion = suspicion or Reason(Cause.CONTENT)
        # A link to another content is a change for the guards, as any other file that gets one.
        yield path_action(ActionKind.LINK, entry, suspicion or Reason(Cause.HARD_LINK), leader=leader)

    def _suspicion(self, entry: Entry, row: CatalogRow) -> Reason | None:
        """Why the bytes may differ from what is stored; None if they cannot."""
        if reason := stale(row):
            return reason
        if row.flags & Flag.MOVED:
            return Reason(Cause.MOVED)
        if self._policy.detect is not Detect.CHECKSUM:
            return moved(entry, row, self._policy.detect)
        if entry.size != row.size:
            return Reason(Cause.SIZE)
        digests = self._facts.digest(entry.key, row.content_id)
        if digests is None or row.content_id is None:
            return Reason(Cause.UNREADABLE)
        return None if self._facts.same(row.content_id, digests) is not False else Reason(Cause.CONTENT)

    def _unmoved(self, entry: Entry, row: CatalogRow, leader: bytes | None) -> Iterator[Action]:
        stored_leader = None if row.leader is None else self._facts.leader_key(row.leader)
        reason = metadata_moved(entry, row) or lacking(row)
        if not reason and stored_leader != leader:
            reason = Reason(Cause.LINKS)
        if not reason and self._policy.detect is Detect.CHECKSUM:
            touched = moved(entry, row, Detect.CTIME)
            reason = touched.also(Finding.EQUAL) if touched else None
        if row.content_id is not None and (damage := self._facts.damage(row.content_id)):
            yield path_action(ActionKind.REPAIR, entry, damage, leader=leader, forced=True, content_id=row.content_id)
        elif self.reseals(row):
            reason = Reason(Cause.IMPORTED)
            yield path_action(ActionKind.UPDATE, entry, reason, leader=leader, forced=True, content_id=row.content_id)
        elif reason:
            yield path_action(ActionKind.TOUCH, entry, reason, leader=leader, content_id=row.content_id)
        else:
            self._tally.same(row)

    def reseals(self, row: CatalogRow) -> bool:
        """Whether to store a content again, in our format, that another tool encrypted."""
        return self._policy.reseal and row.content_id is not None and self._facts.imported(row.content_id)

    def _equal_import(self, entry: Entry, row: CatalogRow) -> bool:
        """Whether a file is unchanged since the import, although the other tool did not record its times exactly."""
        if row.content_id is None or entry.size != row.size or not self._facts.imported(row.content_id):
            return False
        digests = self._facts.digest(entry.key, row.content_id)
        return digests is not None and self._facts.same(row.content_id, digests) is not False

    def _moved(self, entry: Entry, row: CatalogRow, leader: bytes | None, reason: Reason) -> Iterator[Action]:
        if self._stays_unread(entry, row):
            yield path_action(ActionKind.UPDATE, entry, reason, leader=leader, content_id=row.content_id)
            return
        if entry.size != row.size or row.content_id is None:
            yield self._store(entry, leader, ActionKind.UPDATE, reason)
            return
        digests = self._facts.digest(entry.key, row.content_id)
        if digests is None:
            yield path_action(ActionKind.UPDATE, entry, reason, leader=leader)
            return
        same = self._facts.same(row.content_id, digests)
        if same is False:
            found = self._facts.find(digests)
            if found is not None and not self._facts.damage(found):
                reason = reason.also(Finding.STORED)
                yield path_action(ActionKind.LINK, entry, reason, leader=leader, digests=digests, content_id=found)
            else:
                reason = reason.also(Finding.DIFFERS)
                yield path_action(ActionKind.UPDATE, entry, reason, leader=leader, digests=digests)
            return
        if damage := self._facts.damage(row.content_id):
            yield path_action(ActionKind.REPAIR, entry, damage, leader=leader, forced=True, content_id=row.content_id)
            return
        reason = reason.also(Finding.EQUAL if same else Finding.EQUAL_MD5)
        if self.reseals(row):
            reason = reason.also(Finding.RESEALED)
            yield path_action(ActionKind.UPDATE, entry, reason, leader=leader, forced=True, content_id=row.content_id)
            return
        yield path_action(ActionKind.TOUCH, entry, reason, leader=leader, digests=digests, content_id=row.content_id)

    def _stays_unread(self, entry: Entry, row: CatalogRow) -> bool:
        """Whether apply will find out what is new in a file. Lost and imported contents are read at once: the plan
        must say whether they can be stored again."""
        if entry.size < self._policy.unread_from or self._policy.detect is Detect.CHECKSUM or row.content_id is None:
            return False
        return not self._facts.imported(row.content_id) and not self._facts.damage(row.content_id)


def _content_after(action: Action) -> int | None:
    """The stored content that a file has after this action; None if apply will find out."""
    return action.content_id if action.forced or action.kind is not ActionKind.UPDATE else None
