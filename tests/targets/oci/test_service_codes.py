"""The service's code and words say what is wrong, not the HTTP status, which policies and proxies share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import md5

import pytest

from backup_runner.errors import AccessDenied, BackupRunnerError, ObjectMissing, TargetError, TransientError
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import Site

DATA = b"data"
MD5 = md5(DATA, usedforsecurity=False).digest()
KEY_WORDS = "The KMS key ocid1.key.oc1..aaaaaaaa is disabled"


@pytest.fixture
def target(running: Running) -> Iterator[OciTarget]:
    auth = AuthSpec(config_file=running.owner.config_file)
    spec = OciTargetSpec(running.bucket, running.namespace, endpoint=running.url, auth=auth)
    target = OciTarget(spec, patience=1)
    running.clear_faults()
    if not list(target.list("c/data/x")):
        target.put("c/data/x", DATA, md5=MD5)
    yield target
    running.clear_faults()


CALLS: dict[str, Callable[[OciTarget], object]] = {
    "PutObject": lambda target: target.put("c/data/y", DATA, md5=MD5),
    "GetObject": lambda target: target.get("c/data/x"),
    "ListObjects": lambda target: list(target.list()),
    "DeleteObject": lambda target: target.delete("c/data/x"),
}


def error_of(running: Running, target: OciTarget, operation: str, **fault: object) -> BackupRunnerError:
    running.add_faults({"kind": "status", "operation": operation, **fault})
    with pytest.raises(BackupRunnerError) as caught:
        CALLS[operation](target)
    return caught.value


UNKNOWN = [
    (403, "ReadOnlyReplica", "The bucket is a read-only destination of a replication policy"),
    (403, "TenancySuspended", "Tenancy is suspended"),
    (403, "InsufficientServicePermissions", "Permissions granted to the object storage service are insufficient"),
    (404, "SomethingNew", "A reason that this program does not know"),
]
LOCKED = [
    (404, "KmsKeyDisabled", KEY_WORDS),
    (404, "NotAuthorizedOrNotFound", KEY_WORDS),
    (404, "ObjectNotFound", KEY_WORDS),
    (409, "IncorrectKeyState", "The master encryption key is not in the state ENABLED"),
    (400, "InvalidParameter", "Key in the vault is pending deletion"),
]
"""What the service says when the key of the bucket cannot be used."""


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("answer", [*UNKNOWN, *LOCKED], ids=lambda answer: f"{answer[0]}-{answer[1]}")
def test_codes_that_no_policy_line_mends(
    running: Running, target: OciTarget, operation: str, answer: tuple[int, str, str]
) -> None:
    status, code, message = answer
    error = error_of(running, target, operation, status=status, code=code, message=message)
    assert type(error) is TargetError
    assert message in error.message
    assert "Allow group" not in str(error.hint)
    if answer in LOCKED:
        assert "enable it in its vault" in str(error.hint)
    else:
        assert code in error.message


def test_a_permission_that_is_missing_still_has_its_line(running: Running, target: OciTarget) -> None:
    error = error_of(running, target, "PutObject", status=403, code="NotAuthorized")
    assert isinstance(error, AccessDenied)
    assert "OBJECT_CREATE" in str(error.hint)


def test_an_object_that_is_missing_is_missing(running: Running, target: OciTarget) -> None:
    assert isinstance(error_of(running, target, "GetObject", status=404, code="ObjectNotFound"), ObjectMissing)


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 451])
def test_a_proxys_page(running: Running, target: OciTarget, operation: str, status: int) -> None:
    running.add_faults(
        {"kind": "page", "operation": operation, "status": status, "message": "Blocked by company policy"}
    )
    with pytest.raises(TargetError) as caught:
        CALLS[operation](target)
    error = caught.value
    assert type(error) is TargetError
    assert f"{status}, not from Object Storage" in error.message
    assert "Blocked by company policy" in error.message
    assert "<" not in error.message
    assert "target.proxy" in str(error.hint)


@pytest.mark.parametrize("status", [502, 503])
def test_a_proxys_page_that_may_pass(running: Running, target: OciTarget, status: int) -> None:
    running.add_faults({"kind": "page", "operation": "GetObject", "status": status, "count": 1})
    assert target.get("c/data/x") == DATA
    running.add_faults({"kind": "page", "operation": "GetObject", "status": status})
    with pytest.raises(TransientError):
        target.get("c/data/x")


def test_objects_behind_a_disabled_key_are_not_called_missing(running: Running, tmp_path) -> None:
    site = Site(tmp_path, running)
    site.write("a", 1000)
    site.apply()
    name = f"{site.prefix}*/data/*"
    running.add_faults(
        {
            "kind": "status",
            "operation": "GetObject",
            "name": name,
            "status": 404,
            "code": "KmsKey",
            "message": KEY_WORDS,
        }
    )
    done = site.run("verify", "--level", "data", codes=(1, 3))
    assert "KMS key" in done.out + done.err
    running.clear_faults()
    assert site.run("plan", "--detailed-exitcode").code == 0
