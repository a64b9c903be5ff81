"""Small files: batches go to worker processes, what is new goes into packs, versions are written as packs arrive.

Whether a content is stored already is decided here, between hashing and sealing, so that equal files are sealed once
however many workers there are. A version is written in the transaction of the pack that holds its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from .catalog import history
from .catalog.recording import Recorder
from .pool import Pool
from .reading import FileRead
from .records import Action, Digests, Extent
from .targets.opening import crew, divided
from .worker import Batch, Hashed, Keep, Packed, Setting

BATCH_FILES = 1000
BATCH_BYTES = 8 << 20


@dataclass(slots=True)
class Waiting:
    """Files whose content is on its way: the first one stores it, the others share it."""

    items: list[tuple[Action, FileRead]] = field(default_factory=list)


class SmallLane:
    """Feed it with `add`; `finish` waits for everything. Callbacks run on the caller's thread.

    `write(action, read, content_id)` records a version, `fail(action, errno, text)` a file that could not be read,
    `large(action)` takes a file that has grown too large for a pack, `commit()` ends the transaction of a pack.
    """

    def __init__(
        self,
        setting: Setting,
        workers: int,
        recorder: Recorder,
        *,
        write: Callable[[Action, FileRead, int], None],
        fail: Callable[[Action, int, str], None],
        large: Callable[[Action], None],
        commit: Callable[[], None],
        children: set[int],
    ) -> None:
        self._setting = setting
        self._workers = workers
        self._recorder = recorder
        self._write = write
        self._fail = fail
        self._large = large
        self._commit = commit
        self._children = children
        self._pool: Pool | None = None
        self._batch: list[Action] = []
        self._batch_bytes = 0
        self._number = 0
        self._actions: dict[int, list[Action]] = {}
        self._left: dict[int, int] = {}
        self._waiting: dict[tuple[int, bytes], Waiting] = {}
        self._tickets: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._renewed: set[tuple[int, bytes]] = set()
        self.stored_bytes = 0
        self.stored_objects = 0
        self.deduplicated = 0

    def add(self, action: Action) -> None:
        self._batch.append(action)
        self._batch_bytes += action.size
        if len(self._batch) >= BATCH_FILES or self._batch_bytes >= BATCH_BYTES:
            self._submit()

    def finish(self) -> None:
        """Wait until every file that was added is stored and recorded."""
        if self._batch:
            self._submit()
        pool = self._pool
        if pool is None:
            return
        while pool.working:
            self._take(pool.answers(block=True))
        self._take(pool.flush())
        assert not self._waiting

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._children.difference_update(self._pool.pids)
            self._pool = None

    # -- to the workers

    def _submit(self) -> None:
        if self._pool is None:
            target = self._setting.target
            workers = crew(target, self._workers)
            self._pool = Pool(replace(self._setting, target=divided(target, workers)), workers)
            self._children.update(self._pool.pids)
        pool = self._pool
        self._take(pool.answers(block=False))
        while not pool.idle:
            self._take(pool.answers(block=True))
        self._number += 1
        self._actions[self._number] = self._batch
        pool.submit(Batch(self._number, [action.key for action in self._batch]))
        self._batch, self._batch_bytes = [], 0

    # -- from the workers

    def _take(self, answers: Iterator[Hashed | Packed]) -> None:
        for answer in answers:
            if isinstance(answer, Hashed):
                self._hashed(answer)
            else:
                self._packed(answer)

    def _hashed(self, hashed: Hashed) -> None:
        assert self._pool is not None
        actions = self._actions.pop(hashed.number)
        places = []
        for place, (action, read) in enumerate(zip(actions, hashed.files, strict=True)):
            if read is None:
                self._large(action)
            elif isinstance(read, FileRead):
                if self._place(hashed.number, place, action, read):
                    places.append(place)
            else:
                self._fail(action, *read)
        self._pool.keep(Keep(hashed.number, places))

    def _place(self, number: int, place: int, action: Action, read: FileRead) -> bool:
        """Whether this file's bytes are to be stored; if not, they are in the bucket or on their way."""
        identity = (read.size, read.blake3)
        waiting = self._waiting.get(identity)
        if waiting is not None:
            waiting.items.append((action, read))
            self.deduplicated += 1
            return False
        if not action.forced or identity in self._renewed:
            recorder = self._recorder
            found = history.find_content(recorder.cat, recorder.store_id, Digests(read.size, read.blake3, read.md5))
            if found is not None:
                self._write(action, read, found)
                self.deduplicated += 1
                return False
        self._waiting[identity] = Waiting([(action, read)])
        self._tickets[number, place] = identity
        return True

    def _packed(self, packed: Packed) -> None:
        recorder = self._recorder
        with recorder.cat.transaction():
            object_id = recorder.add_object(packed.new)
            for number, place, offset in packed.contents:
                identity = self._tickets.pop((number, place))
                waiting = self._waiting.pop(identity)
                read = waiting.items[0][1]
                digests = Digests(read.size, read.blake3, read.md5)
                for action, _ in waiting.items:
                    if action.content_id is not None:
                        history.recognise(recorder.cat, action.content_id, digests)
                content_id = recorder.put_content(digests, [Extent(object_id, offset, read.size)])
                for action, found in waiting.items:
                    self._write(action, found, content_id)
                    if action.forced:
                        self._renewed.add(identity)
        self._commit()
        self.stored_bytes += packed.new.size
        self.stored_objects += 1
