"""Tasks in processes: all done, bounded, errors told, the dead noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from backup_runner.errors import BackupRunnerError
from backup_runner.foreign import WorkerFaultError, describe, trace
from backup_runner.workers.pool import Pool


def _doubling() -> Callable[[int], int]:
    return lambda number: number * 2


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_task_is_done_once(workers: int) -> None:
    pool = Pool[int, int](workers, _doubling)
    assert sorted(pool.run(iter(range(100)))) == [(number, number * 2) for number in range(100)]
    assert sorted(pool.run(iter([7]))) == [(7, 14)]
    pool.close()


def test_tasks_and_answers_larger_than_a_pipe() -> None:
    pool = Pool[bytes, bytes](2, lambda: lambda data: data[::-1])
    big = b"ab" * 500_000
    assert list(pool.run(iter([big] * 8))) == [(big, big[::-1])] * 8
    pool.close()


def test_tasks_are_drawn_as_workers_get_free() -> None:
    drawn = 0

    def tasks() -> Iterator[int]:
        nonlocal drawn
        for number in range(1000):
            drawn += 1
            yield number

    pool = Pool[int, int](2, _doubling)
    results = pool.run(tasks())
    for done in range(1, 50):
        next(results)
        assert drawn <= done + 4
    pool.close()


def test_an_exception_is_reported_with_its_place() -> None:
    def fail(number: int) -> int:
        raise ValueError(f"cannot do {number}")

    pool = Pool[int, int](1, lambda: fail)
    with pytest.raises(WorkerFaultError) as caught:
        list(pool.run(iter([1])))
    assert describe(caught.value) == "ValueError"
    assert any(f"{__file__}:" in line and "in fail" in line for line in trace(caught.value))
    pool.close()


def test_a_worker_that_is_killed_is_noticed() -> None:
    pool = Pool[int, int](2, lambda: lambda number: os.kill(os.getpid(), signal.SIGKILL) or 0)
    with pytest.raises(BackupRunnerError, match="died"):
        list(pool.run(iter(range(10))))
    pool.close()


def test_workers_go_when_the_main_process_is_killed() -> None:
    script = (
        "import os, time\nfrom backup_runner.workers.pool import Pool\n"
        "pool = Pool(3, lambda: lambda _: os.getpid())\n"
        "print(*{pid for _, pid in pool.run(iter(range(1, 30)))}, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [int(pid) for pid in process.stdout.readline().split()]
        process.kill()
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_of_a_pool_that_was_left_open_do_not_hold_the_interpreter_up() -> None:
    program = (
        "from backup_runner.workers.pool import Pool\n"
        "pool = Pool(2, lambda: lambda number: number)\n"
        "print(sorted(found for _, found in pool.run(iter(range(4)))))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 1, 2, 3]\n", "")
