"""One suite over every target: what `targets/base.py` promises. OCI goes over HTTP, signatures verified."""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_runner.errors import ConditionFailed, ObjectExists, ObjectMissing
from backup_runner.targets.base import Put, Target, Tier
from backup_runner.targets.directory.spec import DirectoryTargetSpec
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.opening import open_target
from tests.oci_emulator.fixture import Running


def digest(data: bytes | bytearray | memoryview) -> bytes:
    return md5(data, usedforsecurity=False).digest()


@pytest.fixture(params=["directory", "oci"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    if request.param == "directory":
        opened = open_target(DirectoryTargetSpec(str(tmp_path / "bucket")))
    else:
        emulator: Running = request.getfixturevalue("running")
        prefix = f"deep/er/{os.urandom(6).hex()}/"
        opened = open_target(
            OciTargetSpec(
                emulator.bucket,
                emulator.namespace,
                prefix,
                endpoint=emulator.url,
                auth=AuthSpec(config_file=emulator.owner.config_file),
            ),
            patience=5,
        )
    yield opened
    opened.close()


def put(target: Target, name: str, data: bytes) -> str:
    return target.put(name, data, md5=digest(data)).etag


def test_is_a_target(target: Target) -> None:
    assert isinstance(target, Target)
    assert target.properties == target.divided(2).properties
    assert target.divided(2).identity == target.identity
    kind, _, place = target.identity.partition(":")
    assert kind in ("directory", "oci")
    assert place


def test_empty_target_lists_nothing(target: Target) -> None:
    assert list(target.list()) == []


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_put_and_get_take_every_buffer(target: Target, kind: type) -> None:
    data = os.urandom(100_000)
    stored = target.put("line/data/a1", kind(data), md5=digest(data))
    assert stored.size == 100_000
    assert target.get("line/data/a1") == data


def test_ranges(target: Target) -> None:
    data = os.urandom(1000)
    put(target, "l/data/x", data)
    assert target.get("l/data/x", 10, 20) == data[10:30]
    assert target.get("l/data/x", 990, 50) == data[990:]
    assert target.get("l/data/x", 400) == data[400:]
    assert target.get("l/data/x", 5, 0) == b""
    assert target.get("l/data/x", 1000, 5) == b""
    assert target.get_tail("l/data/x", 48) == (data[-48:], 1000)
    assert target.get_tail("l/data/x", 5000) == (data, 1000)


def test_empty_object(target: Target) -> None:
    put(target, "l/data/e", b"")
    assert target.get("l/data/e") == b""
    assert target.get_tail("l/data/e", 10) == (b"", 0)
    assert target.stat("l/data/e").size == 0


def test_create_never_overwrites(target: Target) -> None:
    etag = put(target, "l/data/x", b"first")
    with pytest.raises(ObjectExists):
        put(target, "l/data/x", b"other")
    assert target.get("l/data/x") == b"first"
    assert target.stat("l/data/x").etag == etag


def test_replace_needs_the_current_etag(target: Target) -> None:
    old = put(target, "l/lease", b"one")

    def replace(data: bytes, etag: str) -> str:
        return target.put("l/lease", data, md5=digest(data), condition=Put.REPLACE, etag=etag, tier=Tier.STANDARD).etag

    new = replace(b"two", old)
    assert new != old
    with pytest.raises(ConditionFailed):
        replace(b"six", old)
    assert target.get("l/lease") == b"two"
    assert replace(b"six", new)
    with pytest.raises(ConditionFailed):
        target.put("l/none", b"x", md5=digest(b"x"), condition=Put.REPLACE, etag=new)


def test_what_is_missing(target: Target) -> None:
    for call in (target.get, target.stat, lambda name: target.get_tail(name, 5)):
        with pytest.raises(ObjectMissing):
            call("l/data/none")
    target.delete("l/data/none")


def test_delete(target: Target) -> None:
    put(target, "l/data/x", b"x")
    target.delete("l/data/x")
    with pytest.raises(ObjectMissing):
        target.stat("l/data/x")
    target.delete("l/data/x")
    put(target, "l/data/x", b"again")


def test_list_is_sorted_whole_and_by_prefix(target: Target) -> None:
    names = ["a/data/1", "a/data/10", "a/data-x/0", "a/data.y", "a/records/0001", "b/data/1", "top", "a-b"]
    for name in names:
        put(target, name, name.encode())
    assert [found.name for found in target.list()] == sorted(names)
    assert [found.name for found in target.list("a/data")] == ["a/data-x/0", "a/data.y", "a/data/1", "a/data/10"]
    assert [found.name for found in target.list("a/data/1")] == ["a/data/1", "a/data/10"]
    assert [found.name for found in target.list("a/data/")] == ["a/data/1", "a/data/10"]
    assert list(target.list("c/")) == []


def test_list_and_stat_agree(target: Target) -> None:
    before = time.time()
    stored = target.put("l/data/x", b"hello", md5=digest(b"hello"))
    (listed,) = target.list()
    assert listed.size == 5
    assert listed.etag == stored.etag
    assert listed.checksum in ("", stored.checksum)
    assert listed.tier == "Standard"
    assert listed.archival_state == ""
    assert before - 2 <= listed.created <= time.time() + 2
    looked = target.stat("l/data/x")
    assert looked._replace(created=listed.created) == listed


def test_more_than_a_page(target: Target) -> None:
    names = [f"l/data/{number:04}" for number in range(1003)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: put(target, name, b"x"), names))
    assert [found.name for found in target.list("l/")] == names


def test_an_upload_that_is_gone_is_aborted(target: Target) -> None:
    """What older versions left of uploads in parts may be gone by now."""
    target.abort_upload("l/data/s", "0" * 32)
    assert list(target.list()) == []


def test_a_target_goes_to_another_process(target: Target) -> None:
    put(target, "l/data/x", b"x")
    other = pickle.loads(pickle.dumps(target))
    assert other.identity == target.identity
    assert other.get("l/data/x") == b"x"
    other.close()


def test_one_of_many_creates(target: Target) -> None:
    """The rule on which correctness between machines rests."""
    for turn in range(5):
        barrier, won = threading.Barrier(8), []

        def race(number: int, turn: int = turn, barrier: threading.Barrier = barrier, won: list = won) -> None:
            barrier.wait()
            try:
                put(target, f"l/records/{turn}", b"by %d" % number)
                won.append(b"by %d" % number)
            except ObjectExists:
                pass

        threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [target.get(f"l/records/{turn}")]


def test_one_of_many_replaces(target: Target) -> None:
    etag = put(target, "l/lease", b"start")
    barrier, won = threading.Barrier(8), []

    def race(number: int) -> None:
        data = b"by %d" % number
        barrier.wait()
        try:
            target.put("l/lease", data, md5=digest(data), condition=Put.REPLACE, etag=etag)
            won.append(data)
        except ConditionFailed:
            pass

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [target.get("l/lease")]


def test_restore_of_what_is_readable_changes_nothing(target: Target) -> None:
    put(target, "l/data/x", b"x")
    target.restore_archived("l/data/x", 24)
    assert target.get("l/data/x") == b"x"


_step = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 3), st.binary(max_size=40)),
    st.tuples(st.just("delete"), st.integers(0, 3), st.just(b"")),
    st.tuples(st.just("replace"), st.integers(0, 3), st.binary(max_size=40)),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_step, max_size=12))
def test_like_a_dictionary(target: Target, steps: list[tuple[str, int, bytes]]) -> None:
    salt = os.urandom(8).hex()
    model: dict[str, tuple[bytes, str]] = {}
    for what, number, data in steps:
        name = f"{salt}/data/{number}"
        if what == "put" and name not in model:
            model[name] = data, put(target, name, data)
        elif what == "put" and data != model[name][0]:
            with pytest.raises(ObjectExists):
                put(target, name, data)
        elif what == "delete":
            target.delete(name)
            model.pop(name, None)
        elif what == "replace" and name in model:
            stored = target.put(name, data, md5=digest(data), condition=Put.REPLACE, etag=model[name][1])
            model[name] = data, stored.etag
    listed = {found.name: (found.size, found.etag) for found in target.list(f"{salt}/")}
    assert listed == {name: (len(data), etag) for name, (data, etag) in model.items()}
    assert all(target.get(name) == data for name, (data, _) in model.items())
