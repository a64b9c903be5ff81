"""Programs that a job runs around an apply: without a shell, with a time limit, their output kept out of the log."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import BackupRunnerError
from ..foreign import describe
from ..replacing import unnamed

_GRACE_SECONDS = 5.0
_SHOWN_BYTES = 2000
_ROUNDS = 10
_MARK = "BACKUP_RUNNER_HOOK_RUN"
"""A variable that marks a hook's processes."""
_SHOWN_LINES = 20
_SECRET_NAME = re.compile(r"(?i)(secret|token|passw(or)?d|passphrase|api_?key|credential)")


class HookError(BackupRunnerError):
    """A hook could not be started, failed, or took too long."""

    usual_hint = "run the program manually, with the arguments in the job's `hooks`"


class Ended(NamedTuple):
    """How a hook ended: "" or what went wrong, and the end of what it printed, secrets removed."""

    problem: str
    tail: str
    printed: int


def run_hook(
    command: tuple[str, ...],
    *,
    time_limit: float,
    folder: str,
    work_directory: str,
    env: Mapping[str, str],
    hidden: Iterable[str] = (),
) -> Ended:
    """Run a hook, or kill it and everything it started after `time_limit` seconds.

    Its output goes to a temporary file, not a pipe: a hook that leaves a daemon behind cannot block us."""
    mark = secrets.token_hex(16)
    with unnamed(work_directory) as printed:
        try:
            process = subprocess.Popen(
                command, cwd=folder, env={**env, _MARK: mark}, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return Ended(f"{command[0]} cannot be started: {describe(error)}", "", 0)
        try:
            status = process.wait(time_limit)
            problem = _status(command[0], status) if status else ""
        except subprocess.TimeoutExpired:
            problem = f"{command[0]} did not finish within {time_limit:g} s and was killed"
            _end(process, mark)
        except BaseException:
            _end(process, mark)
            raise
        size = os.fstat(printed.fileno()).st_size
        tail = os.pread(printed.fileno(), _SHOWN_BYTES, max(0, size - _SHOWN_BYTES)).decode("utf-8", "replace")
    return Ended(problem, _without(tail, env, hidden), size)


def _status(name: str, status: int) -> str:
    if status < 0:
        return f"{name} was killed by signal {signal.Signals(-status).name}"
    return f"{name} exited with status {status}"


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """End the hook's whole process group, first with SIGTERM, then processes that left the group (a daemon,
    `setsid`)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE_SECONDS)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()
    # A process that is just being started may be missed in one round, but not in the next.
    for _ in range(_ROUNDS):
        if not _end_marked(f"{_MARK}={mark}".encode()):
            return


def _end_marked(variable: bytes) -> bool:
    """End all processes that were started with this variable; whether there were any. Needs proc(5)."""
    found = False
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if not name.isdecimal():
                continue
            # Processes come and go, and those of other users cannot be read.
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                if variable in file.read().split(b"\0"):
                    os.kill(int(name), signal.SIGKILL)
                    found = True
    return found


def _without(text: str, env: Mapping[str, str], hidden: Iterable[str]) -> str:
    values = {value for name, value in env.items() if _SECRET_NAME.search(name)} | set(hidden)
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= 4:
            text = text.replace(value, "***")
    return "\n".join(text.splitlines()[-_SHOWN_LINES:])
