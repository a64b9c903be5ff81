"""Carries out a plan's path actions: what needs no bytes at once, small files through packs, large ones after them."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable

from ..catalog import history, journal
from ..catalog.recording import Meta, NewVersion, Recorder
from ..errors import Interrupted, OddFileError
from ..foreign import describe
from ..planning.facts import hash_file
from ..progress import Events, Outcome
from ..records import Action, ActionKind, Digests, Flag, Kind, Problem
from ..repository.session import Session
from ..source.reading import FileRead, attributes, kind_of
from ..source.times import kept_times
from .large import LargeLane, LargeSetting
from .losses import Losses
from .smalllane import SmallLane, Written
from .worker import SMALL, Setting

_OPERATIONS = 2000
_FILE = int(Kind.FILE)


class PathApplier:
    """Writes one snapshot. `stop` says that the run was interrupted."""

    def __init__(
        self,
        session: Session,
        recorder: Recorder,
        setting: Setting,
        events: Events,
        outcome: Outcome,
        *,
        workers: int,
        losses: Losses,
        stop: Callable[[], bool],
        children: set[int],
    ) -> None:
        self._session = session
        self._recorder = recorder
        self._cat = recorder.cat
        self._tree = setting.tree
        self._setting = setting
        self._events = events
        self._outcome = outcome
        self._workers = workers
        self._losses = losses
        self._stop = stop
        self._operations = 0
        self._large: list[Action] = []
        self._followers: list[Action] = []
        self.removed = 0
        self.read_bytes = 0
        self.small = SmallLane(
            setting,
            workers,
            recorder,
            write=self._write_all,
            fail=self._fail,
            large=lambda action: self._large.append(action),
            commit=self.commit,
            children=children,
        )

    # -- from outside

    def handle(self, action: Action) -> None:
        """Do one action, or put it where it will be done. Raises Interrupted when asked to stop."""
        if self._stop():
            raise Interrupted("interrupted; what was finished is recorded")
        self._begin()
        try:
            self._dispatch(action)
        except OSError as error:
            self._fail(action, error.errno or 0, describe(error))

    def finish(self) -> None:
        """Do what was put aside: files in packs, then large ones, then hard links to them."""
        self.settle()
        followers, self._followers = self._followers, []
        for action in followers:
            if self._stop():
                raise Interrupted("interrupted; what was finished is recorded")
            self._begin()
            try:
                self._follow(action)
            except OSError as error:
                self._fail(action, error.errno or 0, describe(error))
        self.settle()

    def settle(self) -> None:
        """Finish what is in flight and record it."""
        self.small.finish()
        self.commit()
        if self._large:
            # What the workers hold is of no use meanwhile.
            self.small.close()
            self._store_large()

    def wind_up(self) -> None:
        """After an interrupt: what the workers have is stored and recorded, nothing new is begun."""
        self._large.clear()
        self._followers.clear()
        self.small.finish()
        self.commit()

    def commit(self) -> None:
        """End the transaction that collects small changes."""
        if self._cat.conn.in_transaction:
            self._cat.conn.execute("COMMIT")
        self._operations = 0

    def close(self) -> None:
        if self._cat.conn.in_transaction:
            self._cat.conn.execute("ROLLBACK")
        self.small.close()

    # -- what kind of work an action is

    def _begin(self) -> None:
        if self._operations >= _OPERATIONS:
            self.commit()
        if not self._cat.conn.in_transaction:
            self._cat.conn.execute("BEGIN IMMEDIATE")
        self._operations += 1

    def _dispatch(self, action: Action) -> None:
        if action.kind is ActionKind.REMOVE:
            self._remove(action)
        elif action.kind is ActionKind.HOLD:
            self._recorder.hold(action.key, action.size, action.mtime_ns, action.ctime_ns)
            self._outcome.held.append(action.key)
            self._count(action)
        elif action.entry_kind == Kind.DIRECTORY:
            self._directory(action)
        elif action.entry_kind == Kind.SYMLINK:
            self._symlink(action)
        elif action.leader is not None and action.leader != action.key and action.kind is ActionKind.LINK:
            self._followers.append(action)
        elif action.kind in (ActionKind.TOUCH, ActionKind.LINK):
            self._refer(action)
        else:
            self._store(action)

    def _store(self, action: Action) -> None:
        if action.size < SMALL:
            self.small.add(action)
        else:
            self._large.append(action)

    def _remove(self, action: Action) -> None:
        if action.why == "gone":
            try:
                status = self._tree.status(action.key)
            except OSError:
                pass
            else:
                # It came back since the plan was made: it is backed up as it is now.
                if kind_of(status.st_mode) == action.entry_kind:
                    if action.entry_kind != Kind.FILE:
                        self._outcome.changed_since_plan.append(action.key)
                    action.kind = ActionKind.UPDATE
                    self._dispatch(action)
                    return
        self._recorder.remove(action.key)
        if action.entry_kind != Kind.DIRECTORY:
            self.removed += 1
            self._losses.taken_out(action.key)
        self._count(action)

    def _directory(self, action: Action) -> None:
        status = self._tree.status(action.key)
        if kind_of(status.st_mode) != Kind.DIRECTORY:
            raise OddFileError(errno.ENOTDIR, "is no directory any more")
        meta = self._meta(action.key, Kind.DIRECTORY, status, size=0)
        self._recorder.put_version(action.key, meta, None)
        self._count(action)

    def _symlink(self, action: Action) -> None:
        status = self._tree.status(action.key)
        link = self._tree.link(action.key)
        meta = self._meta(action.key, Kind.SYMLINK, status, size=0)
        self._recorder.put_version(action.key, meta._replace(link=link), None)
        self._count(action)

    def _refer(self, action: Action) -> None:
        """The content is stored; if the file is still what the plan saw, only its metadata is written."""
        status = self._tree.status(action.key)
        seen = (status.st_size, *kept_times(status))
        known = action.content_id is not None and history.usable(self._cat, action.content_id, status.st_size)
        if seen != (action.size, action.mtime_ns, action.ctime_ns) or not known:
            action.forced = False
            self._store(action)
            return
        meta = self._meta(action.key, Kind.FILE, status, size=status.st_size)
        assert action.content_id is not None
        if action.blake3 is not None:
            history.learn_digest(self._cat, action.content_id, Digests(action.size, action.blake3, b""))
        self._recorder.put_version(action.key, meta, action.content_id, leader=action.leader)
        self._count(action)

    def _follow(self, action: Action) -> None:
        """A further hard link: it shares the version of the first one, if they still are one file."""
        assert action.leader is not None
        status = self._tree.status(action.key)
        first = history.open_version(self._cat, self._recorder.job_id, action.leader)
        same = False
        if first is not None and first.content_id is not None and not first.flags & Flag.STALE:
            leader = self._tree.status(action.leader)
            same = (leader.st_dev, leader.st_ino) == (status.st_dev, status.st_ino)
            same = same and (first.size, first.mtime_ns) == (status.st_size, kept_times(status)[0])
        if not same or first is None:
            action.leader = None
            self._store(action)
            return
        meta = self._meta(action.key, Kind.FILE, status, size=status.st_size)
        # What moved while it was read is looked at again under all its names.
        meta = meta._replace(flags=meta.flags | first.flags & Flag.MOVED)
        self._recorder.put_version(action.key, meta, first.content_id, leader=action.leader)
        self._count(action)

    def _meta(self, key: bytes, kind: Kind, status: os.stat_result, *, size: int) -> Meta:
        sparse = kind == Kind.FILE and status.st_blocks * 512 < status.st_size
        flags, xattrs = attributes(self._tree, key, kind)
        self._note_attributes(key, flags)
        return Meta(
            kind, size, *kept_times(status), status.st_mode & 0o7777, status.st_uid, status.st_gid,
            flags | (Flag.SPARSE if sparse else 0), None, xattrs,
        )  # fmt: skip

    def _note_attributes(self, key: bytes, flags: int) -> None:
        if flags & Flag.NO_ATTRIBUTES:
            self._problem(key, "attributes", "its extended attributes cannot be read; it is stored without them")

    # -- large files

    def _store_large(self) -> None:
        waiting, self._large = self._large, []
        session, recorder, setting = self._session, self._recorder, self._setting
        lane = LargeLane(
            LargeSetting(
                tree=self._tree,
                cat=self._cat,
                store_id=recorder.store_id,
                job=session.job.name,
                target=session.target,
                keyring=session.keyring,
                salt=setting.salt,
                lineage=setting.lineage,
                tier_name=setting.tier_name,
                workers=self._workers,
                stop=self._stop,
                advance=lambda size: self._events.advance(0, size),
            )
        )
        try:
            for action in waiting:
                if self._stop():
                    raise Interrupted("interrupted; what was finished is recorded")
                try:
                    self._store_one(lane, action)
                except OSError as error:
                    self._fail(action, error.errno or 0, describe(error))
                    # The journal of the next file must not wait for this transaction.
                    self.commit()
        finally:
            lane.close()
            self._outcome.stored_bytes += lane.stored_bytes
            self._outcome.stored_objects += lane.stored_objects

    def _store_one(self, lane: LargeLane, action: Action) -> None:
        # What is repaired was sealed again already if an equal file came first; lost contents are not found.
        anew = action.forced and action.kind is not ActionKind.REPAIR
        if not anew and (found := self._same_content(action)) is not None:
            with self._cat.transaction():
                self._write(action, *found)
            return
        read, extents, rows = lane.store(action.key)
        with self._cat.transaction():
            if action.content_id is not None:
                history.recognise(self._cat, action.content_id, Digests(read.size, read.blake3, read.md5))
            content_id = self._recorder.put_content(Digests(read.size, read.blake3, read.md5), extents)
            for row in rows:
                journal.drop(self._cat, row)
            self._write(action, read, content_id, counted=read.size)

    def _same_content(self, action: Action) -> tuple[FileRead, int] | None:
        """The stored content of an equal file that came earlier in this run, and the file's metadata."""
        store_id = self._recorder.store_id
        before = self._tree.status(action.key)
        if not history.has_size(self._cat, store_id, before.st_size):
            return None
        digests = hash_file(self._tree, action.key, with_md5=False)
        after = self._tree.status(action.key)
        found = history.find_content(self._cat, store_id, digests)
        if found is None or (before.st_mtime_ns, before.st_ctime_ns) != (after.st_mtime_ns, after.st_ctime_ns):
            return None
        meta = self._meta(action.key, Kind.FILE, after, size=digests.size)
        return (
            FileRead(*meta[1:8], meta.xattrs, digests.blake3, digests.md5, after.st_dev, after.st_ino),
            found,
        )

    # -- writing

    def _write(self, action: Action, read: FileRead, content_id: int, *, counted: int = 0) -> None:
        """Record one file; `counted` of its bytes were shown as done before."""
        self._write_all([(action, read, content_id)], counted=counted)

    def _write_all(self, files: list[Written], *, counted: int = 0) -> None:
        """Record which contents the paths have. Runs inside the transaction of what they refer to."""
        if not self._cat.conn.in_transaction:
            self._begin()
        rows: list[NewVersion] = []
        tally: Counter[ActionKind] = Counter()
        sizes: Counter[ActionKind] = Counter()
        total = 0
        for action, read, content_id in files:
            kind, size = action.kind, read.size
            if (size, read.mtime_ns, read.ctime_ns) != (action.size, action.mtime_ns, action.ctime_ns):
                self._outcome.changed_since_plan.append(action.key)
            if read.flags & Flag.MOVED:
                self._problem(action.key, "changed", "changed while it was being read, twice; stored as it was read")
            self._note_attributes(action.key, read.flags)
            meta = Meta(_FILE, *read[:7], None, read.xattrs)
            if kind is not ActionKind.REPAIR or not self._repaired(action, meta, content_id):
                rows.append(NewVersion(action.key, meta, content_id, action.leader))
            tally[kind] += 1
            sizes[kind] += size or action.size
            total += size
        self._recorder.put_versions(rows)
        for kind, count in tally.items():
            self._add(kind, count, sizes[kind])
        self._events.advance(len(files), total - counted)

    def _repaired(self, action: Action, meta: Meta, content_id: int) -> bool:
        """Whether the version that is there holds again; if the content is another one now, that is reported."""
        if action.content_id is not None and action.content_id != content_id:
            self._problem(action.key, "lost", "the file no longer has the lost content; backed up as it is now")
        return self._recorder.is_same(action.key, meta, content_id)

    def _fail(self, action: Action, number: int, text: str) -> None:
        gone = number in (errno.ENOENT, errno.ENOTDIR)
        if not self._cat.conn.in_transaction:
            self._begin()
        kept = self._recorder.flag(action.key, Flag.STALE)
        before = "what was stored before is kept" if kept else "nothing is stored of it"
        if gone:
            self._problem(action.key, "vanished", f"vanished since the plan was made; {before}")
            if kept and action.entry_kind != Kind.DIRECTORY:
                self._losses.vanished(action.key)
        else:
            self._problem(action.key, "unreadable", f"{text}; {before}")

    def _problem(self, key: bytes, kind: str, message: str) -> None:
        self._outcome.problems.append(Problem(key, kind, message))

    def _count(self, action: Action, *, size: int = 0) -> None:
        name = action.kind.value
        outcome = self._outcome
        if action.entry_kind == Kind.DIRECTORY:
            outcome.folders[name] = outcome.folders.get(name, 0) + 1
            return
        self._add(action.kind, 1, size or action.size)

    def _add(self, kind: ActionKind, count: int, size: int) -> None:
        outcome, name = self._outcome, kind.value
        outcome.counts[name] = outcome.counts.get(name, 0) + count
        outcome.bytes[name] = outcome.bytes.get(name, 0) + size
