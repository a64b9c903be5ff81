"""The first signal asks, the second Ctrl-C ends the process and its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from backup_runner.interrupt import Interrupt

PROGRAM = """
import subprocess, sys, time
from backup_runner.interrupt import Interrupt
with Interrupt(lambda: print("first", flush=True), lambda: print("second", flush=True)) as interrupt:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    interrupt.children.add(child.pid)
    print(child.pid, flush=True)
    while True:
        time.sleep(0.01)
        if interrupt.requested and "--obey" in sys.argv:
            child.kill()
            break
print("orderly", flush=True)
"""


def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_asks(number: int) -> None:
    process, _ = start("--obey")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("first\norderly\n", 0)


def test_a_second_ctrl_c_ends_it_at_once_and_takes_the_children_along() -> None:
    process, child = start()
    assert process.stdout is not None
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("second\n", 130)
    assert gone(child)


def gone(pid: int) -> bool:
    """Whether the process ended; one that nobody waited for counts as ended."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.stop()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
