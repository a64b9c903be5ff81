"""Runs a scan in a separate process, so that reading the disk and the catalog use a core each.

The child sends batches over a pipe: marshalled plain tuples, each with the changes of the totals so far, so that the
reader knows about an unlisted folder before the keys after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import marshal
import os
import signal
import struct
from collections.abc import Generator, Iterator, Sequence
from dataclasses import fields
from typing import IO, Any

from ..errors import BackupRunnerError
from ..records import EntryFields, Problem
from ..workers.forking import forking, in_child
from .asked import OnProblem
from .walk import ScanOptions, ScanSource, ScanTotals, scan_fields

_LENGTH = struct.Struct("<I")
_PIPE = 1 << 20
_GROWING = ("unlisted", "missing")


class ScanProcess:
    """A running scan in a separate process. Forks: no threads may run yet. Must be closed."""

    def __init__(self, sources: Sequence[ScanSource], options: ScanOptions) -> None:
        reading, writing = os.pipe()
        with forking():
            self._pid = os.fork()
            if self._pid == 0:
                _child(reading, writing, sources, options)
        os.close(writing)
        with contextlib.suppress(OSError, AttributeError):
            # Lets the child run ahead while this process still reads the bucket.
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, _PIPE)
        self._pipe = os.fdopen(reading, "rb", buffering=_PIPE)

    def batches(self, *, totals: ScanTotals, on_problem: OnProblem) -> Iterator[list[EntryFields]]:
        """Batches as from `scan_fields`.

        `totals` has counts only at the end, but `unlisted` and `missing` as early as the scan has them."""
        finished = yield from _receive(self._pipe, totals, on_problem)
        if not finished:
            raise BackupRunnerError("the scan ended unexpectedly", hint="was its process killed? try again")

    def close(self) -> None:
        """End the process if it is still running: it may be waiting for a disk that does not respond."""
        self._pipe.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _receive(pipe: IO[bytes], totals: ScanTotals, on_problem: OnProblem) -> Generator[Any, None, bool]:
    """Yields batches; returns whether the child finished."""
    while True:
        head = pipe.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return False
        (length,) = _LENGTH.unpack(head)
        data = pipe.read(length)
        if len(data) < length:
            return False
        batch, problems, gained, counts = marshal.loads(data)  # noqa: S302 - our own child wrote it
        totals.unlisted += gained["unlisted"]
        totals.missing += gained["missing"]
        for problem in problems:
            on_problem(Problem(*problem))
        if counts is not None:
            for name, value in counts.items():
                setattr(totals, name, value)
            return True
        yield batch


def _child(reading: int, writing: int, sources: Sequence[ScanSource], options: ScanOptions) -> None:
    status = 1
    try:
        in_child()
        os.close(reading)
        # Nothing here creates reference cycles, and the collector costs a tenth of the time.
        gc.disable()
        with os.fdopen(writing, "wb", buffering=1 << 20) as pipe:
            _send_all(pipe, sources, options)
        status = 0
    except BaseException:  # noqa: BLE001, S110 - the reader sees that the end is missing, and says so
        pass
    finally:
        os._exit(status)


def _send_all(pipe: IO[bytes], sources: Sequence[ScanSource], options: ScanOptions) -> None:
    totals = ScanTotals()
    problems: list[tuple[bytes, str, str]] = []
    sent = dict.fromkeys(_GROWING, 0)

    def gained() -> dict[str, list[bytes]]:
        news = {}
        for name in _GROWING:
            found = getattr(totals, name)
            news[name] = found[sent[name] :]
            sent[name] = len(found)
        return news

    for batch in scan_fields(
        sources, options, totals=totals, on_problem=lambda p: problems.append((p.key, p.kind, p.message))
    ):
        _send(pipe, (batch, problems, gained(), None))
        problems.clear()
    counts = {f.name: getattr(totals, f.name) for f in fields(totals) if f.name not in _GROWING}
    _send(pipe, ([], problems, gained(), counts))


def _send(pipe: IO[bytes], message: Any) -> None:
    data = marshal.dumps(message)
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
