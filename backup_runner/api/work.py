"""What every call of the API stands on: an open session, progress that is logged too, and errors of our own kind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from ..progress import Events, Silent
from ..runs.logs import log
from ..workers.interrupt import Interrupt
from .faults import explained

if TYPE_CHECKING:
    from ..repository.session import Session
    from ..spec import Job

Stop = Callable[[], bool] | threading.Event | Interrupt
"""How a caller ends a run early: asked between two steps, from the thread that made the call. An Interrupt asks for
nothing until a signal comes; its handlers are installed while something is being changed or read."""


class Logged:
    """Passes progress on to a listener and writes it to the log `backup_runner`."""

    def __init__(self, inner: Events) -> None:
        self._inner = inner

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        log.info("%s: %d files, %d bytes", name, files, size)
        self._inner.phase(name, files=files, size=size)

    def advance(self, files: int, size: int) -> None:
        self._inner.advance(files, size)

    def ahead(self, files: int, size: int) -> None:
        self._inner.ahead(files, size)

    def now(self, name: bytes) -> None:
        self._inner.now(name)

    def limited(self, rate: float) -> None:
        if rate:
            log.info("held back by the limit of %d bytes a second", rate)
        self._inner.limited(rate)

    def warn(self, text: str) -> None:
        log.warning("%s", text)
        self._inner.warn(text)


def listener(events: Events | None) -> Events:
    """The caller's events with the log behind them; without a caller's, only the log."""
    return events if isinstance(events, Logged) else Logged(events or Silent())


@contextmanager
def stopping(stop: Stop | None) -> Iterator[Interrupt]:
    """The caller's wish to stop as engines take it. Handlers are installed for an Interrupt of the caller's only."""
    if isinstance(stop, Interrupt):
        with nullcontext() if stop.entered else stop:
            yield stop
    elif stop is None:
        yield Interrupt()
    else:
        yield Interrupt(ask=stop.is_set if isinstance(stop, threading.Event) else stop)


def worker_count(given: int | None) -> int:
    """As many as were asked for, else one for each core that this process may use."""
    return given or len(os.sched_getaffinity(0))


def open_session(job: Job, events: Events, *, as_cached: bool = False, decrypting: str = "") -> Session:
    """A session for the caller to close. A remote catalog is updated first, unless `as_cached`.

    `decrypting`: what is done here, if a host without a secret cannot do it. Raises WrongKeyError there."""
    from ..repository.session import Session

    with faults(job):
        session = Session(job, warn=events.warn)
        try:
            if decrypting:
                session.key.need_secret(decrypting)
            if job.catalog.remote and not as_cached:
                session.key.need_secret("a remote catalog")
                from ..recovery.remote import refresh

                refresh(session, events)
        except BaseException:
            session.close()
            raise
        return session


@contextmanager
def opened(job: Job, events: Events, *, as_cached: bool = False, decrypting: str = "") -> Iterator[Session]:
    """The same, closed at the end; nothing of the caller's own may run inside, because its errors would be changed."""
    with faults(job):
        session = open_session(job, events, as_cached=as_cached, decrypting=decrypting)
        try:
            yield session
        finally:
            session.close()


@contextmanager
def faults(job: Job) -> Iterator[None]:
    """Faults of the catalog's file and of the system leave as BackupRunnerError."""
    try:
        yield
    except Exception as error:
        from ..catalog.failures import explained as of_the_catalog

        if found := of_the_catalog(error, job.catalog.path) or explained(error):
            raise found from error
        raise
