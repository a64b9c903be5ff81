"""Every fault of the emulator against every call of the target: right, or a clear error, and nothing wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5

import pytest

from backup_runner.errors import ChecksumMismatch, ObjectMissing, TargetError
from backup_runner.targets.base import Put, Tier
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running

ONCE, ALWAYS = 1, 0
FAULTS: list[dict[str, object]] = [
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 500, "code": "InternalServerError"},
    {"kind": "status", "status": 429, "code": "TooManyRequests", "retry_after": 0.1},
    {"kind": "delay", "seconds": 0.05},
    {"kind": "reset_before"},
    {"kind": "reset_amid"},
    {"kind": "reset_after"},
    {"kind": "lost"},
    {"kind": "truncate"},
    {"kind": "corrupt"},
    {"kind": "corrupt_request"},
    {"kind": "corrupt_stored"},
]


def digest(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).digest()


def connect(running: Running, *, patience: float = 10.0) -> OciTarget:
    auth = AuthSpec(config_file=running.owner.config_file)
    spec = OciTargetSpec(running.bucket, running.namespace, endpoint=running.url, auth=auth)
    return OciTarget(spec, patience=patience)


class Case:
    """One object; `act` is what the fault strikes, `check` looks at the truth once the fault is gone."""

    def __init__(self, target: OciTarget, name: str) -> None:
        self.target, self.name = target, name
        self.data = os.urandom(150_000)

    def put(self) -> Callable[[], object]:
        return lambda: self.target.put(self.name, self.data, md5=digest(self.data))

    def get(self) -> Callable[[], object]:
        self.put()()

        def act() -> None:
            assert self.target.get(self.name) == self.data

        return act

    def list(self) -> Callable[[], object]:
        self.put()()

        def act() -> None:
            found = [item.name for item in self.target.list(self.name)]
            # Nothing vouches for a listing's bytes, so a loss is only believed after a second look.
            assert found == [self.name] or self.target.stat(self.name).size == len(self.data)

        return act

    def delete(self) -> Callable[[], object]:
        self.put()()
        return lambda: self.target.delete(self.name)

    def lease(self) -> Callable[[], object]:
        old = b"an older lease"
        etag = self.target.put(self.name, old, md5=digest(old), tier=Tier.STANDARD).etag
        return lambda: self.target.put(self.name, self.data, md5=digest(self.data), condition=Put.REPLACE, etag=etag)


OPERATIONS = {
    "put": "PutObject",
    "get": "GetObject",
    "list": "ListObjects",
    "delete": "DeleteObject",
    "lease": "PutObject",
}


def run_case(running: Running, target: OciTarget, what: str, fault: dict[str, object], count: int) -> str:
    """The outcome in a word; raises AssertionError where something wrong passed for right."""
    name = f"f/{what}/{fault['kind']}-{fault.get('status', 0)}-{count}/{os.urandom(6).hex()}"
    case = Case(target, name)
    act = getattr(case, what)()
    rule = {**fault, "operation": OPERATIONS[what], "name": f"{name}*", "count": count}
    running.add_faults(rule)
    try:
        result = act()
    except TargetError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert name in refused.message
        # What is stored wrong stays under its name, create-only: only another name can succeed.
        assert count == ALWAYS or isinstance(refused, ChecksumMismatch)
        return "error"
    look_at_truth(case, what, result)
    return "done"


def look_at_truth(case: Case, what: str, result: object) -> None:
    """Through the listing of the folder, whose name no rule strikes."""
    folder = case.name.rpartition("/")[0]
    found = [item for item in case.target.list(f"{folder}/") if item.name == case.name]
    if what == "delete":
        assert found == []
    elif what in ("put", "part", "commit", "lease"):
        (item,) = found
        assert item.size == len(case.data)
        assert item.checksum == result.checksum  # type: ignore[attr-defined]
        assert item.etag == result.etag  # type: ignore[attr-defined]


def test_matrix(running: Running) -> None:
    eager, patient = connect(running, patience=0.3), connect(running, patience=10)
    jobs = [
        (running, patient if count == ONCE else eager, what, fault, count)
        for what in OPERATIONS
        for fault in FAULTS
        for count in (ONCE, ALWAYS)
    ]
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda job: run_case(*job), jobs))
    running.clear_faults()
    print(f"{len(outcomes)} combinations: {outcomes.count('done')} done, {outcomes.count('error')} clear errors")
    assert len(outcomes) == len(OPERATIONS) * len(FAULTS) * 2
    assert outcomes.count("error") >= 30


def test_a_broken_get_goes_on_where_it_broke(running: Running) -> None:
    target, data = connect(running), os.urandom(4 << 20)
    target.put("g/data/x", data, md5=digest(data))
    running.clear_log()
    running.add_faults({"kind": "reset_amid", "operation": "GetObject", "name": "g/*", "count": 2})
    assert target.get("g/data/x") == data
    running.clear_faults()
    ranges = [line["range"] for line in running.log("GetObject")]
    assert ranges[0] == ""
    assert len(ranges) == 3
    starts = [int(text[len("bytes=") :].rstrip("-")) for text in ranges[1:]]
    assert 0 < starts[0] < starts[1]


def test_retry_after_is_honoured(running: Running) -> None:
    target = connect(running)
    fault = {"kind": "status", "status": 429, "code": "TooManyRequests", "retry_after": 1.2}
    running.add_faults({**fault, "operation": "PutObject", "name": "h/*", "count": 1})
    running.clear_log()
    target.put("h/data/x", b"x", md5=digest(b"x"))
    first, second = running.log("PutObject")
    assert second["time"] - first["time"] >= 1.2
    running.clear_faults()


def test_one_404_does_not_make_an_object_missing(running: Running) -> None:
    target = connect(running)
    target.put("i/data/x", b"x", md5=digest(b"x"))
    rule = {"kind": "status", "status": 404, "code": "ObjectNotFound", "operation": "HeadObject", "name": "i/*"}
    running.add_faults(rule)
    assert target.stat("i/data/x").size == 1
    with pytest.raises(ObjectMissing):
        target.stat("i/data/none")
    running.clear_faults()


def test_one_404_for_the_bucket_is_not_believed(running: Running) -> None:
    target = connect(running)
    for status, code in ((404, "BucketNotFound"), (401, "NotAuthenticated")):
        rule = {"kind": "status", "status": status, "code": code, "operation": "PutObject", "name": "k/*", "count": 1}
        running.add_faults(rule)
        target.put(f"k/data/{status}", b"x", md5=digest(b"x"))
    running.clear_faults()


def test_a_random_fault_in_ten(running: Running) -> None:
    """Many objects through a bad line, with a fixed seed."""
    target = connect(running, patience=60)
    kinds = ("status", "reset_before", "reset_amid", "reset_after", "lost", "truncate", "corrupt", "corrupt_request")
    for seed, kind in enumerate(kinds):
        running.add_faults({"kind": kind, "name": "j/*", "probability": 0.04, "seed": seed})
    objects = {f"j/data/{number}": os.urandom(20_000) for number in range(60)}
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda item: target.put(item[0], item[1], md5=digest(item[1])), objects.items()))
        read = list(threads.map(target.get, objects))
    assert read == list(objects.values())
    assert sum(rule["hits"] for rule in running.faults()) > 10
    running.clear_faults()
