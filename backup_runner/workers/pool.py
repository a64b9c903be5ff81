"""Worker processes that answer tasks: fed through pipes, two tasks ahead, and gone when the main process is."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from ..errors import BackupRunnerError
from ..foreign import WorkerFaultError, describe, place, trace
from .forking import in_child, start

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
"""Tasks a worker has at one time, so that it never waits for the main process."""


class Pool(Generic[T, R]):
    """`count` workers, or none: then tasks are done right here.

    `setup` is called once in each worker, after the fork, and gives the function that does a task.
    """

    def __init__(self, count: int, setup: Callable[[], Callable[[T], R]]) -> None:
        self._setup = setup
        self._inline: Callable[[T], R] | None = None
        self._workers: dict[Connection, BaseProcess] = {}
        # Fork, so that workers have the keys and descriptors that were opened before.
        context = multiprocessing.get_context("fork")
        for _ in range(count):
            ours, theirs = context.Pipe()
            others = [*self._workers, ours]
            process = context.Process(target=_serve, args=(theirs, others, setup), daemon=True)
            start(process)
            theirs.close()
            self._workers[ours] = process

    def run(self, tasks: Iterator[T]) -> Iterator[tuple[T, R]]:
        """Each task with its result, in the order they are done. `tasks` is drawn from as workers get free.

        Raises BackupRunnerError if a worker dies, WorkerFaultError with its trace if a task raises.
        """
        if not self._workers:
            handle = self._inline = self._inline or self._setup()
            for task in tasks:
                yield task, handle(task)
            return
        waiting: dict[Connection, list[T]] = {connection: [] for connection in self._workers}
        while True:
            self._feed(tasks, waiting)
            busy = [connection for connection, given in waiting.items() if given]
            if not busy:
                return
            for ready in wait(busy):
                assert isinstance(ready, Connection)
                result = self._receive(ready)
                yield waiting[ready].pop(0), result

    def close(self) -> None:
        """Let the workers end; what they are at is finished first."""
        for connection in self._workers:
            connection.close()
        for process in self._workers.values():
            process.join()
        self._workers = {}

    def _feed(self, tasks: Iterator[T], waiting: dict[Connection, list[T]]) -> None:
        for depth in range(_AHEAD):
            for connection, given in waiting.items():
                if len(given) > depth:
                    continue
                task = next(tasks, None)
                if task is None:
                    return
                given.append(task)
                try:
                    connection.send(task)
                except OSError:
                    raise self._dead(connection) from None

    def _receive(self, connection: Connection) -> R:
        try:
            fine, result = connection.recv()
        except (EOFError, OSError):
            raise self._dead(connection) from None
        if not fine:
            raise WorkerFaultError(*result)
        return result  # type: ignore[no-any-return]

    def _dead(self, connection: Connection) -> BackupRunnerError:
        process = self._workers[connection]
        process.join(1)
        return BackupRunnerError(
            f"a worker process ended by itself (exit code {process.exitcode})",
            hint="if the machine ran out of memory, run again with fewer --workers",
        )


def _serve(connection: Connection, others: list[Connection], setup: Callable[[], Callable[[Any], Any]]) -> None:
    in_child()
    # Without these ends closed, workers would keep each other's pipes open when the main process is killed.
    for other in others:
        other.close()
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # Receiving never waits for the work, or both sides could wait for the other with full pipes.
    threading.Thread(target=_take, args=(connection, tasks), daemon=True).start()
    handle: Callable[[Any], Any] | None = None
    while (task := tasks.get()) is not None:
        try:
            handle = handle or setup()
            answer = (True, handle(task))
        except Exception as error:  # noqa: BLE001 - whatever it is, the main process raises it with this trace
            answer = (False, (describe(error), place(error), trace(error)))
        try:
            connection.send(answer)
        except OSError:
            break
    os._exit(0)


def _take(connection: Connection, tasks: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        tasks.put(None)
