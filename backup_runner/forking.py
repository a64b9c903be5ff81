"""Worker processes are made with signals held back until they have handlers of their own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def forking() -> Iterator[None]:
    """Hold signals back while a child is made. A child starts with its parent's handlers, and one that raises there
    would unwind it through the parent's code: locks, temporary files and messages that are not its own."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def in_child() -> None:
    """The first thing a child made while `forking` does: Ctrl-C is its parent's affair, termination ends it at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
