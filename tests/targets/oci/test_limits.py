"""Bandwidth, load and retries of the OCI target, with a clock of our own where that is enough."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5

import pytest

from backup_runner.errors import ObjectMissing, RetryLaterError, TransientError, UnreachableError
from backup_runner.spec import Limits
from backup_runner.targets.limits import Rate
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from backup_runner.targets.retry import FIRST_CONTACT, Retrying
from tests.oci_emulator.fixture import Running


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def retrying(clock: Clock, patience: float) -> Retrying:
    return Retrying(patience, clock=clock, sleep=clock.sleep, uniform=lambda _low, high: high)


def failing(*errors: Exception) -> tuple[list[Exception], object]:
    left = list(errors)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return left, attempt


def test_waits_double_and_end(clock: Clock) -> None:
    _, attempt = failing(*[TransientError("503")] * 100)
    with pytest.raises(TransientError, match=r"given up after \d+ tries in \d+ s"):
        retrying(clock, 100).run(attempt)  # type: ignore[arg-type]
    assert clock.slept[:5] == [0.25, 0.5, 1, 2, 4]
    assert max(clock.slept) == 20
    assert 75 < sum(clock.slept) <= 100


def test_retry_after_beats_the_backoff(clock: Clock) -> None:
    _, attempt = failing(RetryLaterError("429", retry_after=7))
    assert retrying(clock, 100).run(attempt) == "done"  # type: ignore[arg-type]
    assert clock.slept == [7]


def test_a_retry_after_beyond_patience_is_not_waited_for(clock: Clock) -> None:
    _, attempt = failing(RetryLaterError("429", retry_after=700))
    with pytest.raises(TransientError, match="given up after 1 try"):
        retrying(clock, 100).run(attempt)  # type: ignore[arg-type]
    assert clock.slept == []


def test_a_server_that_never_answered_is_given_up_soon(clock: Clock) -> None:
    tries = retrying(clock, 300)
    _, attempt = failing(*[UnreachableError("refused")] * 100)
    with pytest.raises(TransientError):
        tries.run(attempt)  # type: ignore[arg-type]
    assert sum(clock.slept) <= FIRST_CONTACT
    assert tries.run(lambda: 1) == 1
    _, attempt = failing(*[UnreachableError("refused")] * 8)
    assert tries.run(attempt) == "done"  # type: ignore[arg-type]


def test_other_errors_are_not_tried_again(clock: Clock) -> None:
    left, attempt = failing(ObjectMissing("404"), ObjectMissing("404"))
    with pytest.raises(ObjectMissing):
        retrying(clock, 100).run(attempt)  # type: ignore[arg-type]
    assert len(left) == 1


def test_progress_renews_patience(clock: Clock) -> None:
    done: list[int] = []

    def attempt() -> str:
        done.append(1)
        clock.now += 9
        if len(done) < 50:
            raise TransientError("broke")
        return "done"

    assert retrying(clock, 10).run(attempt, progress=lambda: len(done)) == "done"


def test_rate_is_an_average_with_a_small_burst(clock: Clock) -> None:
    rate = Rate(1000, clock=clock, sleep=clock.sleep)
    for _ in range(40):
        rate.take(100)
    assert sum(clock.slept) == pytest.approx(4.0, abs=0.3)
    clock.now += 100
    clock.slept.clear()
    rate.take(1000)
    assert sum(clock.slept) == pytest.approx(0.75)


def connect(running: Running, limits: Limits, share: float = 1.0) -> OciTarget:
    auth = AuthSpec(config_file=running.owner.config_file)
    spec = OciTargetSpec(running.bucket, running.namespace, endpoint=running.url, auth=auth, limits=limits)
    return OciTarget(spec, share=share)


def test_upload_and_download_keep_to_their_share(running: Running) -> None:
    target = connect(running, Limits(upload=4 << 20, download=4 << 20), share=0.5)
    data = os.urandom(2 << 20)
    for act in (
        lambda: target.put("r/data/x", memoryview(data), md5=md5(data).digest()),
        lambda: target.get("r/data/x"),
    ):
        started = time.monotonic()
        act()
        assert 0.7 < time.monotonic() - started < 3
    assert target.get("r/data/x") == data


def test_requests_in_flight(running: Running) -> None:
    target = connect(running, Limits(requests_in_flight=3))
    target.put("q/data/0", b"x", md5=md5(b"x").digest())
    running.settings(latency=0.1)
    running.clear_log()
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda _: target.get("q/data/0"), range(9)))
    running.settings(latency=0)
    spans = [(line["time"] - line["milliseconds"] / 1000, line["time"]) for line in running.log("GetObject")]
    most = max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)
    assert most == 3


def test_threads_share_one_target(running: Running) -> None:
    target = connect(running, Limits())
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                data = os.urandom(5000)
                name = f"t/data/{number}-{turn}"
                target.put(name, data, md5=md5(data).digest())
                assert target.get(name) == data
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
