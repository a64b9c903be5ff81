"""Run a command and take its wall time, CPU seconds, and the peak memory of all its processes together."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SAMPLE_SECONDS = 0.05
_TAIL = 4000


class Failed(Exception):
    """The command ended with an exit code that was not expected."""


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds` of wall time; `cpu` seconds, user and system, children included; `peak` bytes (sum of PSS);
    `others` is how many cores everything else on the machine kept busy meanwhile."""

    seconds: float
    cpu: float
    peak: int
    others: float
    output: str


def run(
    command: Sequence[str],
    *,
    folder: str,
    log: str,
    env: Mapping[str, str],
    sample: float = SAMPLE_SECONDS,
    codes: tuple[int, ...] = (0,),
) -> Measured:
    """Run a command to its end. Raises Failed with the end of its output."""
    os.sync()
    busy = _busy()
    with open(log, "w+b") as out:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        sampler = _Sampler(process.pid, sample)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        busy = _busy() - busy
        sampler.stop()
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read()[-_TAIL:].decode("utf-8", "replace")
    if code not in codes:
        raise Failed(f"{' '.join(command)} ended with {code}:\n{output}")
    # Linux gives kilobytes; a process too short to be sampled still has its own peak.
    peak = sampler.peak or usage.ru_maxrss * 1024
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(seconds, cpu, peak, max(0.0, busy - cpu) / seconds, output)


def first_output(command: Sequence[str], *, folder: str, env: Mapping[str, str]) -> tuple[float, float]:
    """Seconds until a command writes its first byte on a terminal, and until it ends."""
    primary, secondary = pty.openpty()
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=dict(env), stdin=secondary, stdout=secondary, stderr=secondary)
    os.close(secondary)
    first = 0.0
    try:
        while select.select([primary], [], [])[0] and os.read(primary, 1 << 16):
            first = first or time.perf_counter() - begun
    except OSError:
        # EIO: the last process that had the terminal is gone.
        pass
    finally:
        os.close(primary)
    if process.wait():
        raise Failed(f"{' '.join(command)} ended with {process.returncode}")
    return first, time.perf_counter() - begun


def _busy() -> float:
    """CPU seconds that all cores together have worked since the machine started (proc_stat(5))."""
    with open("/proc/stat", "rb") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class _Sampler(threading.Thread):
    """Adds up the proportional set sizes of a process and all below it, again and again."""

    def __init__(self, pid: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._seconds = seconds
        self._stopped = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.peak = max(self.peak, sum(_pss(pid) for pid in _tree(self._pid)))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children", "rb") as file:
                    found += map(int, file.read().split())
        except OSError:
            continue
    return found


def _pss(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
