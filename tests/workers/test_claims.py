"""The table of digests that workers share: one of them stores a content, whoever dies."""

from __future__ import annotations

import os
import signal
import time

import pytest

from backup_runner.workers.claims import Claims


def digests(count: int) -> list[bytes]:
    return [os.urandom(32) for _ in range(count)]


def test_a_digest_is_claimed_once() -> None:
    claims = Claims(10)
    some = digests(100)
    assert claims.claim([*some, some[0]]) == [True] * 100 + [False]
    assert not any(claims.claim(some))
    claims.close()


@pytest.mark.parametrize("expected", [0, 30_000])
def test_it_grows(expected: int) -> None:
    """Whatever was expected: from one level to the next, nothing is lost and nothing found that was not claimed."""
    claims = Claims(expected)
    some = digests(30_000)
    for at in range(0, len(some), 1000):
        assert all(claims.claim(some[at : at + 1000]))
    assert not any(claims.claim(some))
    claims.close()


def test_processes_share_it() -> None:
    claims = Claims()
    some = digests(5000)
    read, write = os.pipe()
    children = []
    for _ in range(3):
        if (child := os.fork()) == 0:
            won = sum(sum(claims.claim(some[at : at + 10])) for at in range(0, len(some), 10))
            os.write(write, b"%d " % won)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert sum(map(int, os.read(read, 100).split())) == len(some)
    claims.close()


def test_it_survives_a_process_that_dies_in_it() -> None:
    claims = Claims()
    first, second = digests(200), digests(200)
    for delay in (0.001, 0.005, 0.02):
        if (child := os.fork()) == 0:
            while True:
                claims.claim(first)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        claims.claim(second)
    assert not any(claims.claim(second))
    claims.stop()
    assert claims.stopped
    claims.close()
