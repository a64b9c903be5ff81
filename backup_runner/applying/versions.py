"""Records the result for each file: its version in the catalog, its place in the outcome."""

from __future__ import annotations

import errno
from collections import Counter

from ..catalog.batch import Batch
from ..catalog.births import has_birth
from ..catalog.recording import Meta, NewVersion, Recorder
from ..records import Action, ActionKind, Flag, Kind, Problem
from ..source.output import COMMAND_FAILED
from ..source.reading import FileRead
from .losses import Losses
from .running import READING, Running

_FILE = int(Kind.FILE)
_AT_ONCE = 500
"""Versions without data that are written together."""


class Versions:
    """Writes the versions of one snapshot, and counts. `losses` counts vanished files."""

    def __init__(
        self,
        recorder: Recorder,
        batch: Batch,
        running: Running,
        losses: Losses,
    ) -> None:
        self.recorder = recorder
        self.batch = batch
        self._events = running.events
        self._outcome = running.outcome
        self._losses = losses
        self.removed = 0
        """Number of removed files and symlinks."""
        self.owners: set[tuple[int, int]] = set()
        """Users and groups of what was written."""
        self.unborn = 0
        """Number of files, folders and symlinks that were written without a birth time."""
        self._waiting: list[NewVersion] = []

    def put(self, action: Action, meta: Meta, content_id: int | None, *, leader: bytes | None = None) -> None:
        """Write one path whose data, if any, need not be read; at the latest with `flush`."""
        self._waiting.append(NewVersion(action.key, meta, content_id, leader))
        self._note_meta(meta)
        self.count(action)
        if len(self._waiting) >= _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits, and commit."""
        if self._waiting:
            rows, self._waiting = self._waiting, []
            self.batch.join()
            self.recorder.put_versions(rows)
        self.batch.commit()

    def remove(self, action: Action) -> None:
        self.recorder.remove(action.key)
        if action.entry_kind != Kind.DIRECTORY:
            self.removed += 1
            self._losses.taken_out(action.key)
        self.count(action)

    def hold(self, action: Action) -> None:
        """A changed file that is held back."""
        self.recorder.hold(action.key, action.size, action.mtime_ns, action.ctime_ns)
        self._outcome.held.append(action.key)
        self.count(action)

    def write(self, files: list[tuple[Action, FileRead, int]]) -> None:
        """Record the contents of files that were read, in the same transaction as these contents."""
        self.batch.join()
        rows: list[NewVersion] = []
        tally: Counter[ActionKind] = Counter()
        sizes: Counter[ActionKind] = Counter()
        for action, read, content_id in files:
            kind, size = action.kind, read.size
            as_planned = (size, read.mtime_ns, read.ctime_ns) == (action.size, action.mtime_ns, action.ctime_ns)
            if not as_planned and not read.flags & Flag.OUTPUT:
                self.changed_since_plan(action)
            if read.flags & Flag.MOVED:
                self._problem(action.key, "changed", "changed while it was being read, twice; stored as it was read")
            self.note_attributes(action.key, read.flags)
            if kind is ActionKind.UPDATE and action.content_id == content_id and not action.forced:
                # Not read when planning: only its times changed.
                kind = ActionKind.TOUCH
            meta = Meta(_FILE, *read[:7], None, read.xattrs)
            self._note_meta(meta)
            if kind is not ActionKind.REPAIR or not self._repaired(action, meta, content_id):
                rows.append(NewVersion(action.key, meta, content_id, action.leader))
            tally[kind] += 1
            sizes[kind] += size
        self.recorder.put_versions(rows)
        for kind, count in tally.items():
            self._add(kind, count, sizes[kind])
        self._events.ahead(0, sum(read.size - action.size for action, read, _ in files))
        self._events.advance(len(files), 0)

    def _repaired(self, action: Action, meta: Meta, content_id: int) -> bool:
        """Whether the existing version is repaired; if the file has another content now, that is reported."""
        if action.content_id is not None and action.content_id != content_id:
            self._problem(action.key, "lost", "the file no longer has the lost content; backed up as it is now")
        return self.recorder.is_same(action.key, meta, content_id)

    def changed_since_plan(self, action: Action) -> None:
        self._outcome.changed_since_plan.append(action.key)

    def fail(self, action: Action, number: int, text: str) -> None:
        """A path that could not be read: the last stored version is kept, and flagged."""
        self.batch.join()
        kept = self.recorder.flag(action.key, Flag.STALE)
        if _counted(action):
            self._events.ahead(-1, -action.size)
        before = "the last stored version is kept" if kept else "it is not in the backup"
        if action.kind is ActionKind.REPAIR:
            before = "its last stored version is lost"
        if number in (errno.ENOENT, errno.ENOTDIR):
            self._problem(action.key, "vanished", f"vanished since the plan was made; {before}")
            if kept and action.entry_kind != Kind.DIRECTORY:
                self._losses.vanished(action.key)
        else:
            kind = "command" if number == COMMAND_FAILED else "unreadable"
            self._problem(action.key, kind, f"{text}; {before}")

    def not_read(self, action: Action, number: int, text: str) -> None:
        """The same for a file at a worker."""
        self.fail(action, number, text)
        if not _counted(action):
            self._events.ahead(-1, -action.size)

    def unforeseen(self, action: Action) -> None:
        """A file that the plan did not want to read must be read after all."""
        if action.entry_kind != Kind.DIRECTORY:
            self._events.ahead(1, action.size)

    def note_attributes(self, key: bytes, flags: int) -> None:
        if flags & Flag.NO_ATTRIBUTES:
            self._problem(key, "attributes", "its extended attributes cannot be read; it is stored without them")

    def _note_meta(self, meta: Meta) -> None:
        self.owners.add((meta.uid, meta.gid))
        self.unborn += not meta.flags & Flag.OUTPUT and not has_birth(meta.xattrs)

    def _problem(self, key: bytes, kind: str, message: str) -> None:
        self._outcome.problems.append(Problem(key, kind, message))

    def count(self, action: Action) -> None:
        name = action.kind.value
        outcome = self._outcome
        if action.entry_kind == Kind.DIRECTORY:
            outcome.folders[name] = outcome.folders.get(name, 0) + 1
            return
        self._add(action.kind, 1, action.size)
        if _counted(action):
            # A symlink: files are read by workers.
            self._events.advance(1, action.size)

    def _add(self, kind: ActionKind, count: int, size: int) -> None:
        outcome, name = self._outcome, kind.value
        outcome.counts[name] = outcome.counts.get(name, 0) + count
        outcome.bytes[name] = outcome.bytes.get(name, 0) + size


def _counted(action: Action) -> bool:
    """Whether the announced total of the stage includes this action."""
    return action.kind in READING and action.entry_kind != Kind.DIRECTORY
