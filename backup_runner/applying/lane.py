"""Sends files of all sizes to worker processes and records their results, one transaction per pack.

A file's version is written once its content is in the catalog. Workers share what they store (`workers.claims`), so a
file may refer to bytes that are in another worker's pack: it waits until that one is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..catalog import history
from ..catalog.many import usable_contents
from ..catalog.recording import Recorder
from ..catalog.storing import has_pieces, learn_md5s
from ..contents.cutting import load_cutter
from ..errors import BackupRunnerError, Interrupted
from ..progress import Events, Safe
from ..records import Action, ActionKind, Composed, Digests
from ..source.reading import FileRead
from ..targets.opening import crew, divided
from ..workers.memory import give_back
from ..workers.pool import Pool
from .messages import Asked, FileTask, Flush, Handed, Report
from .strain import Strain
from .worker import Worker, WorkerSetting

_LARGE = 2
"""Weight of a task with a large file: it may take long, so no other task should wait behind it."""
_PATIENCE = 1.0
"""Seconds after which `stop` is called (which also renews the lease) even without a message from a worker."""
Identity = tuple[int, bytes]
"""Size and BLAKE3 of a content."""
Written = tuple[Action, FileRead, int]
"""A file, what was read, and the id of its content."""


@dataclass
class Uploaded:
    """What the workers read and uploaded, in bytes."""

    read: int = 0
    new: int = 0
    """Bytes read that were not in the bucket yet, before compression."""
    bytes: int = 0
    objects: int = 0
    safe: Safe = field(default_factory=Safe)


class ReportBook:
    """Writes workers' reports into the catalog. `write` records versions, `fail(action, errno, text)` files that could
    not be read."""

    def __init__(
        self,
        recorder: Recorder,
        write: Callable[[list[Written]], None],
        fail: Callable[[Action, int, str], None],
    ) -> None:
        self._recorder = recorder
        self._write = write
        self._fail = fail
        self.actions: dict[int, Action] = {}
        """Files that workers have, by number."""
        self._files: dict[Identity, list[tuple[Action, FileRead]]] = {}
        """Files whose content was not recorded yet."""
        self._composed: list[tuple[Composed, int | None]] = []
        """Contents of which not all pieces were recorded yet, and the object whose index has their lists."""
        self.stored = Uploaded()

    def take(self, report: Report) -> None:
        """Record a report: all of it, or, if that fails, nothing."""
        with self._recorder.cat.transaction():
            self._take(report)

    def _take(self, report: Report) -> None:
        recorder = self._recorder
        for number, code, text in report.failed:
            self._fail(self.actions.pop(number), code, text)
        files = [(self.actions.pop(number), read) for number, read in report.files_read()]
        for action, read in files:
            # First, so that imported contents are found by hash and moved to the new pack.
            if action.content_id is not None and read.md5:
                digests = Digests(read.size, read.blake3, read.md5)
                history.recognise(recorder.cat, recorder.store_id, action.content_id, digests)
        ids: dict[Identity, int] = {}
        if report.new is not None:
            placed = report.placed_contents()
            # Contents of a pack that the catalog already has are to be read from the pack from now on.
            found = recorder.record_pack(report.new, placed, anew=True)
            ids = {(item.size, item.blake3): content_id for item, content_id in zip(placed, found, strict=True)}
            self.stored.new += sum(item.size for item in placed)
            self.stored.bytes += report.new.size
            self.stored.objects += 1
        self.stored.read += report.read
        self._keep_safe(files, report)
        pack_id = recorder.pack_id if report.new is not None else None
        self._compose([(item, pack_id) for item in report.composed_contents()], ids)
        for action, read in files:
            self._files.setdefault((read.size, read.blake3), []).append((action, read))
        self._write_files(ids)

    def _keep_safe(self, files: list[tuple[Action, FileRead]], report: Report) -> None:
        safe, (undone, pieces, size) = self.stored.safe, report.undone
        safe.files += len(files)
        safe.bytes += sum(read.size for _, read in files)
        safe.partial_files += undone
        safe.pieces += pieces
        safe.piece_bytes += size

    def _compose(self, new: list[tuple[Composed, int | None]], ids: dict[Identity, int]) -> None:
        """Record composed contents all pieces of which are recorded."""
        recorder = self._recorder
        waiting, self._composed = [*self._composed, *new], []
        for item, pack_id in waiting:
            if has_pieces(recorder.cat, recorder.store_id, item):
                ids[item.size, item.blake3] = recorder.put_composed([item], pack_id)[0]
            else:
                self._composed.append((item, pack_id))

    def _write_files(self, ids: dict[Identity, int]) -> None:
        """Write the versions of files whose contents are recorded; `ids` were, just now."""
        recorder = self._recorder
        asked = [Digests(*identity, files[0][1].md5) for identity, files in self._files.items() if identity not in ids]
        found = usable_contents(recorder.cat, recorder.store_id, asked)
        learn_md5s(recorder.cat, [(d.md5, found[d[:2]]) for d in asked if d.md5 and d[:2] in found])
        ready: list[Written] = []
        for identity, content_id in (ids | found).items():
            for action, read in self._files.pop(identity, ()):
                ready.append((action, read, content_id))
        if ready:
            self._write(ready)

    def check(self) -> None:
        """After the last report. Raises BackupRunnerError if something is still missing."""
        if self._files or self._composed:
            names = ", ".join(repr(action.key) for files in self._files.values() for action, _ in files[:1])
            raise BackupRunnerError(
                f"contents of files were never reported: {names[:500]}",
                hint="this is a bug in backup-runner; apply again, and report it if it happens again",
            )

    def forget(self) -> None:
        """Abandon what is incomplete, after an interruption."""
        self.actions.clear()
        self._files.clear()
        self._composed.clear()


class Lane:
    """Feed it with `add`; `finish` waits for everything. Callbacks of the book run on the caller's thread."""

    def __init__(
        self,
        setting: WorkerSetting,
        workers: int,
        book: ReportBook,
        *,
        commit: Callable[[], None],
        stop: Callable[[], bool],
        events: Events,
        children: set[int],
    ) -> None:
        self._setting = setting
        self._workers = workers
        self._book = book
        self._commit = commit
        self._stop = stop
        self._events = events
        self._strain = Strain(setting.target.properties.upload_limit, events)
        self._children = children
        self._pool: Pool[FileTask | Flush, None] | None = None
        self._batch: list[Asked] = []
        self._batch_bytes = 0
        self._number = 0

    def add(self, action: Action) -> None:
        """Have a file stored."""
        policy = self._setting.policy
        # A lost content is not found, and so stored, unless it was just stored for an equal file.
        anew = action.forced and action.kind is not ActionKind.REPAIR
        self._number += 1
        self._book.actions[self._number] = action
        asked = Asked(self._number, action.key, anew, action.size)
        # A program may print for hours.
        if action.size >= policy.small or action.key in self._setting.outputs.by_key:
            self._submit([asked], _LARGE)
            return
        self._batch.append(asked)
        self._batch_bytes += action.size
        if len(self._batch) >= policy.batch_files or self._batch_bytes >= policy.batch_bytes:
            self._submit_batch()

    def finish(self) -> None:
        """Wait until every file that was added is stored and recorded. Raises Interrupted when asked to stop."""
        if self._batch:
            self._submit_batch()
        if self._pool is None:
            return
        self._wait(lambda pool: not pool.busy)
        self._pool.give_all(Flush())
        self._wait(lambda pool: not pool.busy)
        self._book.check()

    def wind_up(self) -> None:
        """After an interruption: store and record what the workers have read; begin nothing new."""
        self._batch, self._batch_bytes = [], 0
        if self._pool is not None:
            self._setting.claims.stop()
            self._stop = lambda: False
            self._pool.give_all(Flush())
            self._wait(lambda pool: not pool.busy)
        self._book.forget()

    def close(self) -> None:
        if self._pool is not None:
            self._setting.claims.stop()
            self._pool.close()
            self._children.difference_update(self._pool.pids)
            self._pool = None
        self._setting.claims.close()

    def _submit_batch(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._submit(batch, 1)

    def _submit(self, files: list[Asked], weight: int) -> None:
        if self._pool is None:
            self._pool = self._start()
        self._hear(0)
        self._wait(lambda pool: pool.has_room)
        self._events.now(files[-1].key)
        self._pool.give(FileTask(files), weight)

    def _start(self) -> Pool[FileTask | Flush, None]:
        target = self._setting.target
        workers = crew(target, self._workers)
        give_back()
        if self._setting.cuts:
            load_cutter()
        setting = replace(self._setting, target=divided(target, workers))
        # The workers must be able to see what was written so far.
        self._commit()
        pool = Pool[FileTask | Flush, None](workers, lambda: Worker(setting))
        self._children.update(pool.pids)
        return pool

    def _wait(self, until: Callable[[Pool[FileTask | Flush, None]], bool]) -> None:
        assert self._pool is not None
        while not until(self._pool):
            self._hear(_PATIENCE)
            if self._stop():
                raise Interrupted("interrupted; completed work is recorded")

    def _hear(self, timeout: float) -> None:
        assert self._pool is not None
        for report in self._pool.hear(timeout):
            if isinstance(report, Handed):
                self._strain.handed(report.size)
                continue
            assert isinstance(report, Report)
            self._book.take(report)
            # What was uploaded is recorded at once, together with the small changes before it.
            self._commit()
            self._events.ahead(0, -report.known)
            self._events.advance(0, sum(size for _, size, *_ in report.placed))
        self._strain.look()
