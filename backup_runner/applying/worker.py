"""A worker process: reads and hashes batches of small files, seals those that are kept into packs, and puts them.

Messages from the main process: `Batch`, `Keep`, `Flush`. Answers: `Hashed`, `Packed`, `Flushed`, `Failed` (`messages`).
"""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import NamedTuple

from ..container import IndexEntry, ObjectId, ObjectKind, new_header
from ..container.keys import Keyring
from ..errors import BackupRunnerError
from ..foreign import describe
from ..foreign import place as place_of
from ..repository.writer import ObjectWriter
from ..source.reading import FileRead, read_small
from ..source.tree import Tree
from ..targets.base import Target
from ..targets.opening import is_remote
from ..workers.forking import in_child
from ..workers.memory import give_back
from .messages import Batch, Failed, Flushed, Hashed, Keep, Message, Packed, from_bytes, to_bytes

SMALL = 4 << 20
"""Contents of fewer bytes share packs; larger ones get objects of their own."""
PACK_BYTES = 32 << 20
PACK_CONTENTS = 16384
BATCH_BYTES = 2 << 20
"""Files of a batch have about so many bytes, together."""
_ROOM = BATCH_BYTES + SMALL
_UPLOADS = 1


@dataclass(frozen=True)
class Setting:
    """What a worker needs to know; inherited by fork."""

    tree: Tree
    target: Target
    keyring: Keyring
    salt: bytes
    lineage: bytes
    tier_name: str


class _Pack:
    """An open pack."""

    def __init__(self, setting: Setting) -> None:
        object_id = ObjectId.new(setting.lineage, ObjectKind.DATA, os.urandom)
        header, keys = new_header(object_id, setting.keyring, setting.salt)
        self.writer = ObjectWriter(setting.target, header, keys, multipart=False, tier_name=setting.tier_name)
        self.entries: list[IndexEntry] = []
        self.contents: list[tuple[int, int, int]] = []
        self.size = 0

    def add(self, batch: int, place: int, key: bytes, read: FileRead, data: memoryview) -> None:
        self.entries.append(
            IndexEntry(
                read.size, read.md5, read.blake3, self.size, read.size, path=key, mode=read.mode, mtime_ns=read.mtime_ns
            )
        )
        self.contents.append((batch, place, self.size))
        self.writer.add(data)
        self.size += len(data)

    @property
    def full(self) -> bool:
        return self.size >= PACK_BYTES or len(self.contents) >= PACK_CONTENTS


class _Held(NamedTuple):
    """A batch that was read: the files' bytes lie in `room`, most of them."""

    room: bytearray
    files: list[tuple[bytes, FileRead, memoryview] | None]


class Worker:
    """The loop of one process."""

    def __init__(self, setting: Setting, pipe: Connection) -> None:
        self._setting = setting
        self._pipe = pipe
        self._waiting: dict[int, _Held] = {}
        self._rooms: list[bytearray] = []
        self._pack: _Pack | None = None
        self._uploads = ThreadPoolExecutor(_UPLOADS)
        self._room = threading.Semaphore(_UPLOADS)
        self._sending = threading.Lock()
        self._inbox: SimpleQueue[object] = SimpleQueue()
        self._pending: list[Future[None]] = []

    def run(self) -> None:
        # Received on a thread of its own: if both sides sat in `send` with full pipes, neither would go on.
        threading.Thread(target=self._receive, daemon=True).start()
        while (message := self._inbox.get()) is not None:
            if isinstance(message, Batch):
                self._hash(message)
            elif isinstance(message, Keep):
                self._keep(message)
            else:
                self._flush()

    def _receive(self) -> None:
        while True:
            try:
                self._inbox.put(from_bytes(self._pipe.recv_bytes()))
            except (EOFError, OSError):
                self._inbox.put(None)
                return

    def _hash(self, batch: Batch) -> None:
        files: list[FileRead | tuple[int, str] | None] = []
        # Memory that is new to a process costs as much as hashing it, so it is used again and again.
        held = _Held(self._rooms.pop() if self._rooms else bytearray(_ROOM), [])
        room = memoryview(held.room)
        for key in batch.keys:
            try:
                found = read_small(self._setting.tree, key, SMALL, room)
            except OSError as error:
                files.append((error.errno or 0, describe(error)))
                held.files.append(None)
                continue
            files.append(found[0] if found else None)
            held.files.append((key, *found) if found else None)
            if found and found[1].obj is held.room:
                room = room[len(found[1]) :]
        self._waiting[batch.number] = held
        self._send(Hashed(batch.number, files))

    def _keep(self, keep: Keep) -> None:
        held = self._waiting.pop(keep.number)
        for place in keep.places:
            item = held.files[place]
            assert item is not None
            if self._pack is None:
                self._pack = _Pack(self._setting)
            self._pack.add(keep.number, place, *item)
            if self._pack.full:
                self._put()
        self._rooms.append(held.room)

    def _put(self) -> None:
        pack, self._pack = self._pack, None
        if pack is None:
            return
        # Sealed packs that wait for the network are all the memory there is: no more than `_UPLOADS` of them.
        self._room.acquire()
        if not is_remote(self._setting.target):
            # A disk takes a pack in less time than the next one takes to be made.
            self._upload(pack)
            return
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.append(self._uploads.submit(self._upload, pack))

    def _upload(self, pack: _Pack) -> None:
        try:
            new = pack.writer.finish(pack.entries)
            contents = pack.contents
            del pack
            give_back()
            self._send(Packed(new, contents))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the main process has to hear of it
            self._send(Failed(_portable(error)))
        finally:
            self._room.release()

    def _flush(self) -> None:
        self._put()
        for future in self._pending:
            future.result()
        self._pending.clear()
        self._send(Flushed())

    def _send(self, message: Message) -> None:
        data = to_bytes(message)
        with self._sending:
            self._pipe.send_bytes(data)


def _portable(error: BaseException) -> BaseException:
    if isinstance(error, BackupRunnerError | OSError | MemoryError):
        return error
    hint = "this is a fault in backup-runner; apply again, and report it if it comes back"
    return BackupRunnerError(f"a worker failed: {describe(error)} at {place_of(error)}", hint=hint)


def main(setting: Setting, pipe: Connection, others: list[Connection]) -> None:
    """Entry point after the fork. `others` are ends of other workers' pipes, which must not stay open here."""
    in_child()
    # Collecting would write to every object that is shared with the main process, and so copy it.
    gc.disable()
    for other in others:
        other.close()
    try:
        Worker(setting, pipe).run()
    except (BrokenPipeError, ConnectionResetError):
        # The main process is gone; whatever is half done is found by the next run.
        os._exit(1)
    except BaseException as error:  # noqa: BLE001 - reported to the main process, which ends the run
        pipe.send_bytes(to_bytes(Failed(_portable(error))))
        os._exit(1)
    os._exit(0)
