"""Worker processes for tasks: fed through pipes, two tasks ahead; they exit with the main process.

Used in one of two ways: `run` draws tasks and yields each with its result; or tasks are pushed with `give`, and `hear`
yields what workers `say` while they work on them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
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

_SAID, _DONE, _FAILED = "said", "done", "failed"
_AHEAD = 2
"""Number of tasks of a worker at the same time, so that it never waits for the main process."""


class Pool(Generic[T, R]):
    """`count` workers; with 0, tasks run in this process.

    `setup` is called once in each worker, after the fork, and returns the function that carries out a task.
    """

    def __init__(self, count: int, setup: Callable[[], Callable[[T], R]]) -> None:
        self._setup = setup
        self._inline: Callable[[T], R] | None = None
        self._workers: dict[Connection, BaseProcess] = {}
        self._load: dict[Connection, list[int]] = {}
        # Fork, so that workers inherit keys and open descriptors.
        context = multiprocessing.get_context("fork")
        for _ in range(count):
            ours, theirs = context.Pipe()
            others = [*self._workers, ours]
            process = context.Process(target=_serve, args=(theirs, others, setup), daemon=True)
            start(process)
            theirs.close()
            self._workers[ours] = process
            self._load[ours] = []

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._workers.values() if process.pid]

    # -- pushing tasks

    @property
    def has_room(self) -> bool:
        """Whether some worker can take another task now."""
        return min(map(sum, self._load.values())) < _AHEAD

    @property
    def busy(self) -> bool:
        return any(self._load.values())

    def give(self, task: T, weight: int = 1) -> None:
        """Give a task to the least busy worker. After one with a weight of 2 or more, none follows."""
        connection = min(self._load, key=lambda one: sum(self._load[one]))
        self._load[connection].append(weight)
        self._send(connection, task)

    def give_all(self, task: T) -> None:
        """Give the same task to each worker."""
        for connection, load in self._load.items():
            load.append(1)
            self._send(connection, task)

    def hear(self, timeout: float | None) -> Iterator[Any]:
        """What workers have said so far; waits up to `timeout` seconds for something, or forever (None). Raises what a
        task raised."""
        for ready in wait(list(self._workers), timeout=timeout):
            assert isinstance(ready, Connection)
            kind, value = self._answer(ready)
            if kind == _SAID:
                yield value
            else:
                self._load[ready].pop(0)

    # -- drawing tasks

    def run(self, tasks: Iterator[T]) -> Iterator[tuple[T, R]]:
        """Each task with its result, in order of completion. Tasks are drawn as workers become free.

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
        """End the workers after their current tasks."""
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
                self._send(connection, task)

    def _send(self, connection: Connection, task: T) -> None:
        try:
            connection.send(task)
        except OSError:
            # Its last message says why, if there is one.
            while True:
                self._answer(connection)

    def _receive(self, connection: Connection) -> R:
        kind, result = self._answer(connection)
        assert kind == _DONE
        return result  # type: ignore[no-any-return]

    def _answer(self, connection: Connection) -> tuple[str, Any]:
        try:
            kind, value = connection.recv()
        except (EOFError, OSError):
            raise self._dead(connection) from None
        if kind == _FAILED:
            raise pickle.loads(value)  # noqa: S301
        return kind, value

    def _dead(self, connection: Connection) -> BackupRunnerError:
        process = self._workers[connection]
        process.join(1)
        return BackupRunnerError(
            f"a worker process died (exit code {process.exitcode})",
            hint="if the machine ran out of memory, use fewer --workers",
        )


class _Voice:
    """This worker's end of its pipe, for all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connection: Connection | None = None

    def send(self, kind: str, value: Any) -> None:
        assert self.connection is not None
        with self._lock:
            self.connection.send((kind, value))


_voice = _Voice()


def say(message: Any) -> None:
    """In a worker: send the main process a message while a task runs."""
    _voice.send(_SAID, message)


def give_up(error: BaseException) -> None:
    """In a worker, on any thread: make the main process raise this."""
    _voice.send(_FAILED, _portable(error))


def _portable(error: BaseException) -> bytes:
    if isinstance(error, BackupRunnerError | OSError | MemoryError):
        return pickle.dumps(error)
    # Whatever it is, the main process raises it with this trace.
    return pickle.dumps(WorkerFaultError(describe(error), place(error), trace(error)))


def _serve(connection: Connection, others: list[Connection], setup: Callable[[], Callable[[Any], Any]]) -> None:
    in_child()
    # Garbage collection would write to, and so copy, every object shared with the main process.
    gc.freeze()
    # Without these ends closed, workers would keep each other's pipes open when the main process is killed.
    for other in others:
        other.close()
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # Receiving never waits for the work, or both sides could wait for the other with full pipes.
    threading.Thread(target=_take, args=(connection, tasks), daemon=True).start()
    _voice.connection = connection
    handle: Callable[[Any], Any] | None = None
    while (task := tasks.get()) is not None:
        try:
            handle = handle or setup()
            answer = (_DONE, handle(task))
        except Exception as error:  # noqa: BLE001 - sent to the main process, which raises it
            answer = (_FAILED, _portable(error))
        try:
            _voice.send(*answer)
        except OSError:
            break
    os._exit(0)


def _take(connection: Connection, tasks: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        tasks.put(None)
