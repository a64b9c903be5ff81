"""Forgets, deletes and repacks what a plan lists, without ever losing what is needed.

Order: needed contents of mostly unused packs are copied into new packs; snapshots are forgotten and objects marked, in
one transaction that checks all references again; the record with the marks is uploaded; only then are objects and their
rows deleted. A crash leaves marked objects, which the next plan deletes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from blake3 import blake3

from ..catalog import erasing, history, retirement
from ..catalog.composed import composition
from ..catalog.places import Places
from ..catalog.retirement import Doomed
from ..catalog.states import set_states
from ..catalog.storing import add_object, move_content, move_list
from ..container import (
    IndexEntry,
    open_header,
    parse_name,
    read_stretch,
    segment_reader,
)
from ..container.lengths import unpack_lengths
from ..contents.again import twice
from ..errors import AccessDenied, ContainerError, TargetError
from ..planning.pruning import expired_now
from ..policy import StoringPolicy
from ..reasons import Cause
from ..records import Action, ActionKind, Extent, Problem
from ..repository.packing import Builder, Room
from ..repository.session import Session
from .checking import Ground
from .running import Running

_DAY_NS = 86_400 * 10**9


class _Marked(NamedTuple):
    """An object to delete; `object_id` None: not in the catalog. `state` is its previous state."""

    object_id: int | None
    name: str
    size: int
    state: str


class Retirement:
    """Carries out the forget, delete and repack actions of one plan: `prepare`, `mark`, (record), `delete`."""

    def __init__(
        self,
        session: Session,
        ground: Ground,
        job_id: int,
        actions: list[Action],
        running: Running,
    ) -> None:
        self._session = session
        self._ground = ground
        self._cat = ground.cat
        self._job_id = job_id
        self._running = running
        self._outcome = running.outcome
        self._forget = [a.snapshot_id for a in actions if a.kind is ActionKind.FORGET and a.snapshot_id is not None]
        self._chosen = {a.snapshot_id for a in actions if a.reason.cause is Cause.CHOSEN}
        self._delete = [a for a in actions if a.kind is ActionKind.DELETE]
        self._repack = [a for a in actions if a.kind is ActionKind.REPACK]
        self._marked: list[_Marked] = []
        self._doomed: Doomed | None = None

    # -- copies of what is needed of mostly unused packs

    def prepare(self) -> None:
        """Repack. Nothing is forgotten before this run's own snapshot is complete; `mark` does that."""
        if self._repack:
            self._running.events.phase("repacking", files=len(self._repack), size=sum(a.size for a in self._repack))
            retirement.find_living(self._cat, self._job_id, self._forget)
            store_id = self._ground.store.id
            names = [action.object_name for action in self._repack]
            ids = history.object_ids(self._cat, store_id, names)
            Places(self._cat, store_id, ids)
            self._rewrite(retirement.living_lists(self._cat, store_id, ids))

    def _rewrite(self, lists: dict[int, list[tuple[int, int]]]) -> None:
        pack = _NewPack(self._session, self._ground, self._running.policy)
        for action in self._repack:
            if self._running.stop():
                break
            row = history.object_named(self._cat, self._ground.store.id, action.object_name)
            if row is None or row.state != "live":
                continue
            try:
                for content_id, data in twice(lambda: list(self._living(row))):  # noqa: B023 - called at once
                    pack.add(content_id, data)
                for content_id, size in lists.get(row.id, ()):
                    pack.add_list(content_id, size)
            except ContainerError as error:
                self._damaged(row, error)
                continue
            except TargetError as error:
                # Nothing is lost; a later run tries again.
                self._outcome.notes.append(f"{row.name} was not repacked: {error.message}")
                continue
            self._delete.append(action)
            self._running.events.advance(1, action.size)
        pack.put()
        self._outcome.stored_bytes += pack.stored_bytes
        self._outcome.stored_objects += pack.stored_objects

    def _damaged(self, row: history.ObjectRow, error: ContainerError) -> None:
        """Record the damage, so that the next plan repairs what the sources have and lists what they do not."""
        with self._cat.transaction():
            set_states(self._cat, {row.id: "damaged"})
        self._outcome.problems.append(Problem(b"", "damaged", f"{row.name} was not repacked: {error.message}"))

    def _living(self, row: history.ObjectRow) -> Iterator[tuple[int, bytes]]:
        object_id = parse_name(row.name)
        assert object_id is not None
        keys = open_header(row.header, object_id, self._session.identity).keys
        whole = self._session.target.get(row.name)
        segment = segment_reader(keys, unpack_lengths(row.segments), lambda at, size: whole[at : at + size])
        for content_id, _, strong, _, extent in retirement.living_contents(self._cat, row.id):
            parts = read_stretch(keys, segment, extent.offset, extent.length)
            data = b"".join(parts)
            if blake3(data).digest() != strong:
                raise keys.damaged("a content does not match its hash")
            yield content_id, data

    # -- forgetting and marking, in the caller's transaction

    def mark(self) -> int:
        """Forget snapshots and mark objects that are no longer needed, checking all references again.

        Returns how many paths were deleted from all snapshots."""
        rules = self._session.job.retention
        if rules and not rules.keep_imported:
            retirement.unpin(self._cat, self._ground.store.id)
        erased = erasing.erase(self._cat) if erasing.any_noted(self._cat) else 0
        if erased:
            self._outcome.counts["erase"] = erased
        self._forget = self._still_expired()
        if self._forget:
            retirement.forget(self._cat, self._job_id, self._forget)
            self._outcome.counts["forget"] = self._outcome.counts.get("forget", 0) + len(self._forget)
        needed = retirement.needed(self._cat) if self._delete else set()
        drift = self._ground.drift
        strays = {item.name for item in drift.unknown} if drift else ()
        for action in self._delete:
            row = history.object_named(self._cat, self._ground.store.id, action.object_name)
            if row is None:
                # The plan may delete data objects that are not in the catalog.
                if action.object_name in strays:
                    self._marked.append(_Marked(None, action.object_name, action.size, ""))
                continue
            if row.id in needed:
                self._outcome.notes.append(f"{row.name} is needed again and was kept")
                continue
            self._marked.append(_Marked(row.id, row.name, row.size, "live" if row.state == "marked" else row.state))
        if self._delete:
            retirement.drop_dead_composed(self._cat, self._ground.store.id)
            ids = [item.object_id for item in self._marked if item.object_id is not None]
            self._doomed = Doomed(self._cat, self._ground.store.id, ids)
        return erased

    def _still_expired(self) -> list[int]:
        """The plan's snapshots to forget, without those that a rule keeps now: the plan may be old."""
        outcome = self._outcome
        if self._chosen:
            # Named by somebody who saw the plan: no rule has a say.
            return [number for number in self._forget if number in self._chosen]
        expired = expired_now(
            self._cat,
            self._job_id,
            self._session.job,
            completing=outcome.snapshot_id,
            doubtful=bool(outcome.overridden),
        )
        for number in self._forget:
            if number not in expired:
                self._outcome.notes.append(f"snapshot {number} was not forgotten: a retention rule keeps it now")
        return [number for number in self._forget if number in expired]

    # -- deleting, after the record

    def delete(self) -> None:
        """Delete what is marked. Objects that the bucket refuses to delete are unmarked and reported."""
        if not self._marked:
            return
        if self._session.is_blind:
            self._outcome.notes.append(
                f"{len(self._marked)} object(s) are no longer needed and marked; `prune` with a recipient's key, "
                f"on another machine, deletes them"
            )
            return
        self._running.events.phase("deleting", files=len(self._marked), size=sum(item.size for item in self._marked))
        for item in self._marked:
            if self._running.stop():
                self._outcome.interrupted = True
                return
            try:
                self._session.target.delete(item.name)
            except AccessDenied as error:
                self._outcome.notes.append(f"{item.name} could not be deleted: {error.message}")
                self._after_delete(item, gone=False)
                continue
            self._after_delete(item, gone=True)
            self._outcome.counts["delete"] = self._outcome.counts.get("delete", 0) + 1
            self._outcome.deleted_bytes += item.size
            self._running.events.advance(1, item.size)

    def _after_delete(self, item: _Marked, *, gone: bool) -> None:
        if item.object_id is None or self._doomed is None:
            return
        with self._cat.transaction():
            if gone:
                self._doomed.drop(item.object_id)
            else:
                self._doomed.spare(item.object_id, item.state)


class _NewPack:
    """Fills packs while repacking."""

    def __init__(self, session: Session, ground: Ground, policy: StoringPolicy) -> None:
        self._session = session
        self._ground = ground
        self._policy = policy
        self._sealing = session.keys(ground.store).sealing
        self._room = Room(policy.pack_bytes)
        self._builder: Builder | None = None
        self._moves: list[tuple[int, Extent]] = []
        self._lists: list[int] = []
        self.stored_bytes = 0
        self.stored_objects = 0

    def add(self, content_id: int, data: bytes) -> None:
        builder = self._open()
        size, offset = len(data), builder.add(data)
        self._moves.append((content_id, Extent(0, offset, size)))
        builder.entries.append(self._entry(content_id, size)._replace(offset=offset, length=size))
        if builder.is_full(self._policy):
            self.put()

    def add_list(self, content_id: int, size: int) -> None:
        """Add the list of pieces of a file: without records, only the index of a pack has it."""
        pieces = list(composition(self._ground.cat, content_id, size))
        self._open().entries.append(self._entry(content_id, size)._replace(pieces=pieces))
        self._lists.append(content_id)

    def _open(self) -> Builder:
        if self._builder is None:
            self._builder = Builder(self._sealing.data(), self._room)
        return self._builder

    def _entry(self, content_id: int, size: int) -> IndexEntry:
        """The index entry of a content, without its position."""
        content = history.content(self._ground.cat, content_id)
        key, mode, mtime_ns = retirement.example_path(self._ground.cat, content_id) or (None, None, None)
        return IndexEntry(size, content.md5, content.blake3, 0, 0, path=key, mode=mode, mtime_ns=mtime_ns)

    def put(self) -> None:
        """Upload the open pack and move its contents to it, in one transaction."""
        if self._builder is None:
            return
        sealed = self._builder.finish()
        tier_name = str(self._session.job.target.storage_tier)
        new = sealed.put(self._session.target, tier_name=tier_name)
        cat = self._ground.cat
        with cat.transaction():
            object_id = add_object(cat, self._ground.store.id, new)
            for content_id, extent in self._moves:
                move_content(cat, content_id, [extent._replace(object_id=object_id)])
            for content_id in self._lists:
                move_list(cat, content_id, object_id)
        self.stored_bytes += new.size
        self.stored_objects += 1
        self._room.give_object(sealed.buffer)
        self._builder, self._moves, self._lists = None, [], []
