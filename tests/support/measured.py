"""What a program takes: seconds and memory, its own alone.

`ru_maxrss` survives fork and exec: a program that a large process starts has that process's peak. So a small launcher
starts the program, and a process that looks at itself reads VmHWM, which exec begins anew (proc(5))."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LAUNCHER = """
import os, sys, time
report, limit, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
os.set_inheritable(report, False)
started = time.monotonic()
child = os.posix_spawnp(command[0], command, os.environ)
ended = None
while ended is None and time.monotonic() - started < limit:
    time.sleep(0.02)
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
seconds = time.monotonic() - started
with open(f"/proc/{child}/schedstat") as file:
    delayed = int(file.read().split()[1]) / 1e9
if ended is None:
    os.kill(child, 9)
_, status, usage = os.wait4(child, 0)
os.write(report, f"{os.waitstatus_to_exitcode(status)} {seconds} {delayed} {usage.ru_maxrss}".encode())
"""


@dataclass(frozen=True)
class Measured:
    """Exit code (-9 if it took too long), and the largest of its processes in MiB. Of the `seconds` it took, it could
    not run for `delayed`, because other processes had the processors."""

    code: int
    seconds: float
    delayed: float
    mebibytes: int


def measured(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], out: IO[bytes], limit: float) -> Measured:
    """Run a program to its end, or for `limit` seconds; both of its streams go to `out`."""
    reading, writing = os.pipe()
    with open(reading, "rb") as report:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCHER, str(writing), str(limit), *command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=dict(env),
                pass_fds=[writing],
            )  # fmt: skip
        finally:
            os.close(writing)
        code, seconds, delayed, kibibytes = report.read().split()
        process.wait()
    return Measured(int(code), float(seconds), float(delayed), int(kibibytes) >> 10)


def peak() -> int:
    """The most memory that this process had since it began, or since `forget_peak`, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def forget_peak() -> int:
    """What this process has now, in KiB, from which `peak` goes up again: what ran before in it hides nothing."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()
