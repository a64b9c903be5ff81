"""Small files: batches go to worker processes, what is new goes into packs, versions are written as packs arrive.

Whether a content is stored already is decided here, between hashing and sealing, so that equal files are sealed once
however many workers there are. A version is written in the transaction of the pack that holds its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ..catalog import history
from ..catalog.many import usable_contents
from ..catalog.recording import Recorder
from ..records import Action, Digests, Extent
from ..source.reading import FileRead
from ..targets.opening import crew, divided
from ..workers.memory import give_back
from ..workers.small_pool import Pool
from .messages import Batch, Hashed, Keep, Packed
from .worker import BATCH_BYTES, Setting

BATCH_FILES = 1000
Identity = tuple[int, bytes]
"""Size and BLAKE3 of a content."""


Written = tuple[Action, FileRead, int]
"""A file, what was read of it, and the id of its content."""


class SmallLane:
    """Feed it with `add`; `finish` waits for everything. Callbacks run on the caller's thread.

    `write` records versions: (action, read, content id) each; `fail(action, errno, text)` a file that could not be
    read, `large(action)` takes a file that has grown too large for a pack, `commit()` ends the transaction of a pack.
    """

    def __init__(
        self,
        setting: Setting,
        workers: int,
        recorder: Recorder,
        *,
        write: Callable[[list[Written]], None],
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
        self._waiting: dict[Identity, list[tuple[Action, FileRead]]] = {}
        self._tickets: dict[tuple[int, int], list[tuple[Action, FileRead]]] = {}
        self._renewed: set[Identity] = set()
        self.stored_bytes = 0
        self.stored_objects = 0

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
            give_back()
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
        stored = self._stored(actions, hashed.files)
        places: list[int] = []
        shared: list[Written] = []
        for place, (action, read) in enumerate(zip(actions, hashed.files, strict=True)):
            if isinstance(read, FileRead):
                identity = (read.size, read.blake3)
                waiting = self._waiting.get(identity)
                if waiting is not None:
                    waiting.append((action, read))
                elif (content_id := stored.get(identity)) is not None and self._may_share(action, identity):
                    shared.append((action, read, content_id))
                else:
                    # The first one's bytes are stored, the others share them.
                    self._tickets[hashed.number, place] = self._waiting[identity] = [(action, read)]
                    places.append(place)
            elif read is None:
                self._large(action)
            else:
                self._fail(action, *read)
        # The worker goes on while this process writes.
        self._pool.keep(Keep(hashed.number, places))
        if shared:
            self._write(shared)

    def _stored(self, actions: list[Action], files: Sequence[object]) -> dict[Identity, int]:
        """Contents of a batch that are in the bucket already."""
        recorder = self._recorder
        asked = [
            Digests(read.size, read.blake3, read.md5)
            for action, read in zip(actions, files, strict=True)
            if isinstance(read, FileRead) and self._may_share(action, (read.size, read.blake3))
        ]
        return usable_contents(recorder.cat, recorder.store_id, asked)

    def _may_share(self, action: Action, identity: Identity) -> bool:
        """Whether a stored content will do: not for what is to be stored anew, unless this run did so already."""
        return not action.forced or identity in self._renewed

    def _packed(self, packed: Packed) -> None:
        recorder = self._recorder
        with recorder.cat.transaction():
            object_id = recorder.add_object(packed.new)
            arrived: list[list[tuple[Action, FileRead]]] = []
            contents: list[tuple[Digests, tuple[Extent]]] = []
            for number, place, offset in packed.contents:
                files = self._tickets.pop((number, place))
                read = files[0][1]
                digests = Digests(read.size, read.blake3, read.md5)
                del self._waiting[read.size, read.blake3]
                self._note(files, digests)
                arrived.append(files)
                contents.append((digests, (Extent(object_id, offset, read.size),)))
            ids = recorder.put_contents(contents)
            together = zip(arrived, ids, strict=True)
            self._write([(action, read, content_id) for files, content_id in together for action, read in files])
        self._commit()
        self.stored_bytes += packed.new.size
        self.stored_objects += 1

    def _note(self, files: list[tuple[Action, FileRead]], digests: Digests) -> None:
        for action, _ in files:
            if action.content_id is not None:
                history.recognise(self._recorder.cat, action.content_id, digests)
            if action.forced:
                self._renewed.add(digests[:2])
