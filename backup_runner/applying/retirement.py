"""Retention at work: forgetting, deleting and repacking what a plan names, without ever losing what is needed.

Order: live contents of mostly dead packs are copied into new packs; snapshots are forgotten and objects marked, in one
transaction that looks at all references again; the record with the marks goes into the bucket; only then are objects
deleted, and their rows with them. A crash leaves marked objects, which the next plan deletes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from blake3 import blake3

from ..catalog import Catalog, history, retirement
from ..catalog.database import Store
from ..catalog.recording import add_object, move_content
from ..catalog.verifying import set_states
from ..container import (
    IndexEntry,
    ObjectId,
    ObjectKind,
    new_header,
    open_header,
    parse_name,
    read_stretch,
    segment_reader,
)
from ..contents.again import twice
from ..errors import AccessDenied, ContainerError, TargetError
from ..planning.pruning import expired_now
from ..progress import Events, Outcome
from ..records import Action, ActionKind, Extent, Problem
from ..repository.session import Session
from ..repository.writer import ObjectWriter
from .worker import PACK_BYTES, PACK_CONTENTS


class _Marked(NamedTuple):
    """An object that is to be deleted; `object_id` None: the catalog never knew it. `state` is what it was before."""

    object_id: int | None
    name: str
    size: int
    state: str


class Retirement:
    """Carries out the forget, delete and repack actions of one plan: `prepare`, `mark`, (record), `delete`.

    `strays` are names of data objects in the bucket that no catalog knows, and that the plan may delete."""

    def __init__(
        self,
        session: Session,
        cat: Catalog,
        store: Store,
        job_id: int,
        actions: list[Action],
        events: Events,
        outcome: Outcome,
        stop: Callable[[], bool],
        strays: Collection[str] = (),
    ) -> None:
        self._strays = strays
        self._session = session
        self._cat = cat
        self._store = store
        self._job_id = job_id
        self._events = events
        self._outcome = outcome
        self._stop = stop
        self._forget = [a.snapshot_id for a in actions if a.kind is ActionKind.FORGET and a.snapshot_id is not None]
        self._delete = [a for a in actions if a.kind is ActionKind.DELETE]
        self._repack = [a for a in actions if a.kind is ActionKind.REPACK]
        self._marked: list[_Marked] = []

    # -- copies of what lives in mostly dead packs

    def prepare(self) -> None:
        """Repack. Nothing is forgotten before this run's own snapshot is complete, which is for `mark` to do."""
        if self._repack:
            self._events.phase("repacking", files=len(self._repack), size=sum(a.size for a in self._repack))
            retirement.find_living(self._cat, self._job_id, self._forget)
            self._rewrite()

    def _rewrite(self) -> None:
        pack = _NewPack(self._session, self._cat, self._store)
        for action in self._repack:
            if self._stop():
                break
            row = history.object_named(self._cat, self._store.id, action.object_name)
            if row is None or row.state != "live":
                continue
            try:
                for content_id, data in twice(lambda: list(self._living(row))):  # noqa: B023 - called at once
                    pack.add(content_id, data)
            except ContainerError as error:
                self._damaged(row, error)
                continue
            except TargetError as error:
                # Nothing is lost by that; a later run tries again.
                self._outcome.notes.append(f"{row.name} was not repacked: {error.message}")
                continue
            self._delete.append(action)
            self._events.advance(1, action.size)
        pack.put()
        self._outcome.stored_bytes += pack.stored_bytes
        self._outcome.stored_objects += pack.stored_objects

    def _damaged(self, row: history.ObjectRow, error: ContainerError) -> None:
        """Known from now on, so that the next plan repairs what the sources have and names what they have not."""
        with self._cat.transaction():
            set_states(self._cat, {row.id: "damaged"})
        self._outcome.problems.append(Problem(b"", "damaged", f"{row.name} was not repacked: {error.message}"))

    def _living(self, row: history.ObjectRow) -> Iterator[tuple[int, bytes]]:
        object_id = parse_name(row.name)
        assert object_id is not None
        keys = open_header(row.header, object_id, self._session.keyring).keys
        whole = self._session.target.get(row.name)
        segment = segment_reader(keys, row.segment_lengths(), lambda at, size: whole[at : at + size])
        for content_id, _, strong, _, extent in retirement.living_contents(self._cat, row.id):
            parts = read_stretch(keys, segment, extent.offset, extent.length)
            data = b"".join(parts)
            if blake3(data).digest() != strong:
                raise keys.damaged("a content does not have its hash")
            yield content_id, data

    # -- forgetting and marking, in the caller's transaction

    def mark(self) -> None:
        """Forget snapshots and mark objects that nothing needs any more, looking at all references again."""
        rules = self._session.job.retention
        if rules and not rules.keep_imported:
            retirement.unpin(self._cat, self._store.id)
        self._forget = self._still_expired()
        if self._forget:
            retirement.forget(self._cat, self._job_id, self._forget)
            self._outcome.counts["forget"] = self._outcome.counts.get("forget", 0) + len(self._forget)
        for action in self._delete:
            row = history.object_named(self._cat, self._store.id, action.object_name)
            if row is None:
                if action.object_name in self._strays:
                    self._marked.append(_Marked(None, action.object_name, action.size, ""))
                continue
            if retirement.is_needed(self._cat, row.id):
                self._outcome.notes.append(f"{row.name} is needed again and stays")
                continue
            retirement.mark(self._cat, row.id)
            self._marked.append(_Marked(row.id, row.name, row.size, "live" if row.state == "marked" else row.state))

    def _still_expired(self) -> list[int]:
        """What the plan lets go, less what a rule keeps by now: the plan may be of yesterday."""
        outcome = self._outcome
        expired = expired_now(
            self._cat,
            self._job_id,
            self._session.job,
            completing=outcome.snapshot_id,
            doubtful=bool(outcome.overridden),
        )
        for number in self._forget:
            if number not in expired:
                self._outcome.notes.append(
                    f"snapshot {number} is not forgotten: by now, a rule of the retention keeps it"
                )
        return [number for number in self._forget if number in expired]

    # -- deleting, after the record

    def delete(self) -> None:
        """Delete what is marked. What the bucket does not let go stays, unmarked and named."""
        if not self._marked:
            return
        self._events.phase("deleting", files=len(self._marked), size=sum(item.size for item in self._marked))
        for item in self._marked:
            if self._stop():
                self._outcome.interrupted = True
                return
            try:
                self._session.target.delete(item.name)
            except AccessDenied as error:
                self._outcome.notes.append(f"{item.name} could not be deleted and stays: {error.message}")
                self._settle(item, gone=False)
                continue
            self._settle(item, gone=True)
            self._outcome.counts["delete"] = self._outcome.counts.get("delete", 0) + 1
            self._outcome.deleted_bytes += item.size
            self._events.advance(1, item.size)

    def _settle(self, item: _Marked, *, gone: bool) -> None:
        if item.object_id is None:
            return
        with self._cat.transaction():
            if gone:
                retirement.drop_object(self._cat, item.object_id)
            else:
                retirement.unmark(self._cat, item.object_id, item.state)


class _NewPack:
    """Packs that repacking fills."""

    def __init__(self, session: Session, cat: Catalog, store: Store) -> None:
        self._session = session
        self._cat = cat
        self._store = store
        self._writer: ObjectWriter | None = None
        self._entries: list[IndexEntry] = []
        self._moves: list[tuple[int, int, int]] = []
        self._size = 0
        self.stored_bytes = 0
        self.stored_objects = 0

    def add(self, content_id: int, data: bytes) -> None:
        if self._size >= PACK_BYTES or len(self._moves) >= PACK_CONTENTS:
            self.put()
        content = history.content(self._cat, content_id)
        key, mode, mtime_ns = retirement.example_path(self._cat, content_id)
        entry = IndexEntry(
            len(data), content.md5, content.blake3, self._size, len(data), path=key, mode=mode, mtime_ns=mtime_ns
        )
        self._entries.append(entry)
        self._moves.append((content_id, self._size, len(data)))
        self._open().add(data)
        self._size += len(data)

    def _open(self) -> ObjectWriter:
        if self._writer is None:
            store, session = self._store, self._session
            object_id = ObjectId.new(bytes.fromhex(store.lineage), ObjectKind.DATA, os.urandom)
            header, keys = new_header(object_id, session.keyring, store.salt)
            tier: Any = getattr(session.job.target, "storage_tier", "Standard")
            self._writer = ObjectWriter(session.target, header, keys, multipart=False, tier_name=str(tier))
        return self._writer

    def put(self) -> None:
        """Put the open pack and point its contents to it, in one transaction."""
        if not self._moves:
            return
        new = self._open().finish(self._entries)
        with self._cat.transaction():
            object_id = add_object(self._cat, self._store.id, new)
            for content_id, offset, length in self._moves:
                move_content(self._cat, content_id, [Extent(object_id, offset, length)])
        self.stored_bytes += new.size
        self.stored_objects += 1
        self._writer, self._entries, self._moves, self._size = None, [], [], 0
