"""Worker processes and the pipes to them, seen from the main process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from ..applying.messages import Batch, Failed, Flush, Flushed, Hashed, Keep, Packed, from_bytes, to_bytes
from ..applying.worker import Setting, main
from ..errors import BackupRunnerError
from .forking import start

_AHEAD = 2
"""Batches a worker has at one time: one at work, one waiting."""


class Pool:
    """Hands out batches and yields answers. Start it before any thread runs: it forks."""

    def __init__(self, setting: Setting, count: int) -> None:
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        self._load: dict[Connection, int] = {}
        self._owner: dict[int, Connection] = {}
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=main, args=(setting, theirs, [*self._pipes, ours]), daemon=True)
            start(process)
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
            self._load[ours] = 0

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes if process.pid]

    @property
    def idle(self) -> bool:
        """Whether some worker can take another batch at once."""
        return min(self._load.values()) < _AHEAD

    @property
    def working(self) -> bool:
        return any(self._load.values())

    def submit(self, batch: Batch) -> None:
        """Give a batch to the worker with the least to do."""
        pipe = min(self._load, key=self._load.__getitem__)
        self._load[pipe] += 1
        self._owner[batch.number] = pipe
        self._send(pipe, batch)

    def keep(self, keep: Keep) -> None:
        """Answer a `Hashed`: which of its files are to be stored."""
        pipe = self._owner.pop(keep.number)
        self._load[pipe] -= 1
        self._send(pipe, keep)

    def answers(self, *, block: bool) -> Iterator[Hashed | Packed]:
        """What workers have said by now; with `block`, waits for at least one. Raises what a worker failed of."""
        ready = wait(self._pipes, timeout=None if block else 0)
        for pipe in ready:
            assert isinstance(pipe, Connection)
            message = self._receive(pipe)
            if not isinstance(message, Flushed):
                yield message

    def flush(self) -> Iterator[Packed]:
        """Have all open packs put; yields them and ends when nothing is on its way."""
        waiting = set(self._pipes)
        for pipe in self._pipes:
            self._send(pipe, Flush())
        while waiting:
            for ready in wait(list(waiting)):
                assert isinstance(ready, Connection)
                message = self._receive(ready)
                if isinstance(message, Flushed):
                    waiting.discard(ready)
                else:
                    assert isinstance(message, Packed)
                    yield message

    def _send(self, pipe: Connection, message: Batch | Keep | Flush) -> None:
        try:
            pipe.send_bytes(to_bytes(message))
        except OSError:
            # Its last words say why, if it had any.
            while True:
                self._receive(pipe)

    def _receive(self, pipe: Connection) -> Hashed | Packed | Flushed:
        try:
            message = from_bytes(pipe.recv_bytes())
        except (EOFError, OSError):
            raise BackupRunnerError(
                "a worker process ended unexpectedly", hint="was it killed for want of memory? try --workers 1"
            ) from None
        if isinstance(message, Failed):
            raise message.error
        assert isinstance(message, Hashed | Packed | Flushed)
        return message

    def close(self) -> None:
        """End the workers: at the end of their pipe they leave by themselves."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=30)
            if process.is_alive():
                process.kill()
                process.join()
