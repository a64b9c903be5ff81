"""The output of a program, as the bytes of a file: read as it comes, and valid only if the program succeeds."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from ..errors import OddFileError
from ..foreign import describe, sifted
from ..spec.sources import Output

COMMAND_FAILED: Final = errno.ECHILD
"""The errno that marks errors of programs."""
_PATIENCE: Final = 0.5
"""Seconds after which `stop` is called even if the program printed nothing."""
_GRACE: Final = 5.0
_TAIL: Final = 2000


@dataclass(frozen=True)
class Outputs:
    """How the programs of one run are started: their environment `env` and working folder `folder`."""

    by_key: Mapping[bytes, Output] = field(default_factory=dict)
    folder: str = "/"
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stdin: int | None = None
    """A descriptor of this process's standard input; workers do not have theirs."""

    def open(self, key: bytes, stopped: Callable[[], bool]) -> RunningOutput:
        """Start the program for the file. Raises OddFileError if it cannot be started."""
        return RunningOutput(self.by_key[key], self, stopped)


class RunningOutput:
    """A running program, or standard input. Use it with `with`, which ends the program."""

    def __init__(self, output: Output, outputs: Outputs, stopped: Callable[[], bool]) -> None:
        self.began_ns = time.time_ns()
        self._name = output.command[0] if output.command else "standard input"
        self._stopped = stopped
        self._deadline = time.monotonic() + output.time_limit if output.time_limit else None
        self._limit = output.time_limit
        self._said = b""
        self._process: subprocess.Popen[bytes] | None = None
        self.interrupted = False
        """Whether reading ended because the run must stop."""
        if not output.command:
            if outputs.stdin is None:
                raise OddFileError(COMMAND_FAILED, "standard input is closed")
            self._out = outputs.stdin
            return
        try:
            self._process = subprocess.Popen(
                output.command, cwd=outputs.folder, env=dict(outputs.env), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0,
            )  # fmt: skip
        except OSError as error:
            raise OddFileError(COMMAND_FAILED, f"{self._name} cannot be started: {describe(error)}") from None
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()

    def __enter__(self) -> RunningOutput:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._end(self._process)
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    pipe.close()

    def read_into(self, room: memoryview) -> int:
        """The next bytes, at least one except at the end. Raises OddFileError when the time limit is exceeded."""
        while room:
            ready = self._wait()
            if self.interrupted:
                return 0
            if self._out in ready:
                return os.readv(self._out, [room])
        return 0

    def finish(self) -> None:
        """After the last byte: wait for the program to exit. Raises OddFileError if it failed."""
        process = self._process
        if process is None:
            return
        while process.poll() is None and not self.interrupted:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
            self._wait(0)
        self._listen()
        if not process.returncode:
            return
        if process.returncode < 0:
            ended = f"was ended by signal {signal.Signals(-process.returncode).name}"
        else:
            ended = f"ended with status {process.returncode}"
        raise OddFileError(COMMAND_FAILED, f"{self._name} {ended}{self._last_words()}")

    def _wait(self, patience: float = _PATIENCE) -> list[int]:
        """Descriptors with data; standard error is read at once."""
        if self._stopped():
            self.interrupted = True
            return []
        if self._deadline is not None and time.monotonic() > self._deadline:
            text = f"{self._name} did not end within {self._limit} s and was ended{self._last_words()}"
            raise OddFileError(COMMAND_FAILED, text)
        poll = select.poll()
        errors = self._process.stderr if self._process else None
        for fd in [self._out, *([errors.fileno()] if errors and not errors.closed else [])]:
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(patience * 1000)]
        if errors and not errors.closed and errors.fileno() in ready:
            self._listen()
        return ready

    def _listen(self) -> None:
        errors = self._process.stderr if self._process else None
        if errors is None or errors.closed:
            return
        os.set_blocking(errors.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            data = os.read(errors.fileno(), 1 << 16)
            if not data:
                errors.close()
            self._said = (self._said + data)[-_TAIL:]

    def _last_words(self) -> str:
        """The last line of its standard error, without anything that looks like a secret."""
        lines = [line for line in self._said.decode("utf-8", "replace").splitlines() if line.strip()]
        return f': it said "{sifted(lines[-1])}"' if lines else ""

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        """End the program's whole process group, first with SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(_GRACE)
        process.wait()
