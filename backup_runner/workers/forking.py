"""Creates worker processes with signals blocked until they have their own handlers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def forking() -> Iterator[None]:
    """Block signals while a child is created. A child starts with its parent's handlers, and one that raises there
    would unwind it through the parent's code: locks, temporary files and messages that are not its own."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def in_child() -> None:
    """The first call in a child created inside `forking`: Ctrl-C and termination are handled by its parent.

    Terminals and service managers send them to all processes at once. A child exits when its pipe closes."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def start(process: BaseProcess) -> None:
    """Start a worker process; it is killed if it is still running when the interpreter exits."""
    _end_with_us()
    with forking():
        process.start()


@cache
def _end_with_us() -> None:
    """Once for all workers: multiprocessing itself would terminate them and wait."""
    from multiprocessing.util import Finalize

    Finalize(None, _kill, exitpriority=1)


def _kill() -> None:
    from multiprocessing import active_children

    for process in active_children():
        if process.daemon:
            process.kill()
