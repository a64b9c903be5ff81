"""What people get wrong: one clear message each, soon, and nothing stored."""

from __future__ import annotations

import base64
import json
import socket
import time
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.errors import AccessDenied, BackupRunnerError, ConfigError, ObjectArchived, TransientError
from backup_runner.targets.base import Put, Tier
from backup_runner.targets.checking import check_permissions
from backup_runner.targets.oci.spec import AuthMethod, AuthSpec, OciTargetSpec, StorageTier
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running

SOON = 15.0
DATA = b"data"
MD5 = md5(DATA, usedforsecurity=False).digest()


@pytest.fixture
def spec(running: Running) -> OciTargetSpec:
    auth = AuthSpec(config_file=running.owner.config_file)
    return OciTargetSpec(running.bucket, running.namespace, endpoint=running.url, auth=auth)


def refused(spec: OciTargetSpec, kind: type[BackupRunnerError] = BackupRunnerError) -> BackupRunnerError:
    """The error of the first call, which must come soon."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        OciTarget(spec).put("l/data/x", DATA, md5=MD5)
    assert time.monotonic() - started < SOON
    assert caught.value.exit_code == 1
    assert "Traceback" not in caught.value.message
    return caught.value


def token(expires: float) -> str:
    def piece(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{piece({'alg': 'RS256'})}.{piece({'exp': expires, 'sub': 'me'})}.c2ln"


def test_session_token_works_and_tells_when_it_expired(running: Running, spec: OciTargetSpec) -> None:
    good = running.new_user("session", session_token=token(time.time() + 3600))
    auth = AuthSpec(AuthMethod.SESSION_TOKEN, good.config_file)
    OciTarget(replace(spec, auth=auth)).put("s/data/x", DATA, md5=MD5)
    old = running.new_user("expired", session_token=token(time.time() - 600))
    error = refused(replace(spec, auth=AuthSpec(AuthMethod.SESSION_TOKEN, old.config_file)))
    assert "expired 10 minutes ago" in error.message
    assert "oci session authenticate" in (error.hint or "")


def test_session_token_that_the_service_no_longer_takes(running: Running, spec: OciTargetSpec) -> None:
    user = running.new_user("revoked", session_token=token(time.time() + 3600), expires=time.time() - 1)
    error = refused(replace(spec, auth=AuthSpec(AuthMethod.SESSION_TOKEN, user.config_file)))
    assert "401 NotAuthenticated" in error.message
    assert "oci session authenticate" in (error.hint or "")


def test_a_renewed_session_token_is_taken_up(running: Running, spec: OciTargetSpec) -> None:
    first = token(time.time() + 3600)
    user = running.new_user("renewed", session_token=first)
    target = OciTarget(replace(spec, auth=AuthSpec(AuthMethod.SESSION_TOKEN, user.config_file)))
    target.put("renewed/data/1", DATA, md5=MD5)
    running.expire(user, first)
    running.new_user("renewed", session_token=token(time.time() + 7200))
    target.put("renewed/data/2", DATA, md5=MD5)


def test_missing_bucket(spec: OciTargetSpec) -> None:
    error = refused(replace(spec, bucket="no-such-bucket"))
    assert "no bucket no-such-bucket in namespace emulated" in error.message
    assert "target.bucket" in (error.hint or "")


def test_wrong_namespace(spec: OciTargetSpec) -> None:
    error = refused(replace(spec, namespace="someone-else"))
    assert "namespace someone-else was not found; this key belongs to emulated" in error.message
    assert "set target.namespace to emulated" in (error.hint or "")


def test_namespace_is_found(spec: OciTargetSpec) -> None:
    target = OciTarget(replace(spec, namespace=None, prefix="found/"))
    assert target.identity == "oci:emulated/backup/found/"


def overwrite(target: OciTarget, name: str) -> None:
    target.put(name, b"other", md5=md5(b"other").digest(), condition=Put.REPLACE, etag=target.stat(name).etag)


@pytest.mark.parametrize(
    ("permission", "call"),
    [
        ("OBJECT_CREATE", lambda target: target.put("p/data/new", DATA, md5=MD5)),
        ("OBJECT_INSPECT", lambda target: list(target.list())),
        ("OBJECT_READ", lambda target: target.get("p/data/x")),
        ("OBJECT_DELETE", lambda target: target.delete("p/data/x")),
        ("OBJECT_OVERWRITE", lambda target: overwrite(target, "p/data/x")),
    ],
)
def test_no_permission(running: Running, spec: OciTargetSpec, permission: str, call: object) -> None:
    OciTarget(spec).put("p/data/x", DATA, md5=MD5)
    user = running.new_user(f"no-{permission.lower()}", deny=(permission,))
    target = OciTarget(replace(spec, auth=AuthSpec(config_file=user.config_file)))
    with pytest.raises(AccessDenied) as caught:
        call(target)  # type: ignore[operator]
    assert f"request.permission='{permission}'" in (caught.value.hint or "")
    assert "target.bucket.name='backup'" in (caught.value.hint or "")


@pytest.mark.parametrize(("offset", "words"), [(-3600.0, "60 minutes ahead of"), (3600.0, "60 minutes behind")])
def test_clock_an_hour_off(running: Running, spec: OciTargetSpec, offset: float, words: str) -> None:
    """The service's clock is moved, which to the client is the same as its own being wrong."""
    running.settings(clock_offset=offset)
    try:
        error = refused(spec)
    finally:
        running.settings(clock_offset=0)
    assert words in error.message
    assert "NTP" in (error.hint or "")


def test_wrong_key(running: Running, spec: OciTargetSpec) -> None:
    user = running.new_user("wrong-key")
    other = running.new_user("other-key")
    Path(user.key_file).write_bytes(Path(other.key_file).read_bytes())
    error = refused(replace(spec, auth=AuthSpec(config_file=user.config_file)))
    assert "rejects the signature of profile DEFAULT" in error.message
    assert "fingerprint" in (error.hint or "")


def test_name_that_does_not_resolve(spec: OciTargetSpec) -> None:
    error = refused(replace(spec, endpoint="http://no-such-host.invalid"), TransientError)
    assert "no-such-host.invalid cannot be resolved" in error.message


def test_connection_refused(spec: OciTargetSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = refused(replace(spec, endpoint=f"http://127.0.0.1:{port}"), TransientError)
    assert "connection refused" in error.message
    assert "target.endpoint" in (error.hint or "")


def test_config_files_that_cannot_be_used(running: Running, spec: OciTargetSpec, tmp_path: Path) -> None:
    def message(text: str | None, profile: str = "DEFAULT") -> str:
        path = tmp_path / "config"
        if text is not None:
            path.write_text(text)
        auth = AuthSpec(config_file=str(path), profile=profile)
        error = refused(replace(spec, auth=auth), ConfigError)
        assert error.hint
        return error.message

    good = Path(running.owner.config_file).read_text()
    assert "OCI config file not found" in message(None)
    assert "has no profile OTHER" in message(good, "OTHER")
    assert "user is missing" in message("\n".join(line for line in good.split("\n") if not line.startswith("user")))
    assert "cannot be used" in message(good.replace("owner.pem", "none.pem"))


def test_a_resource_principal_elsewhere(spec: OciTargetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCI_RESOURCE_PRINCIPAL_VERSION", raising=False)
    error = refused(replace(spec, auth=AuthSpec(AuthMethod.RESOURCE_PRINCIPAL)))
    assert "resource_principal does not work on this machine" in error.message


def test_an_instance_principal_on_another_machine(spec: OciTargetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCI_METADATA_BASE_URL", "http://127.0.0.1:9/opc/v2")
    error = refused(replace(spec, auth=AuthSpec(AuthMethod.INSTANCE_PRINCIPAL)))
    assert "no instance metadata service at 127.0.0.1" in error.message
    assert "this machine is not an OCI instance" in (error.hint or "")


def test_retention_rule_keeps_objects(running: Running, spec: OciTargetSpec) -> None:
    import oci

    config = oci.config.from_file(running.owner.config_file)
    client = oci.object_storage.ObjectStorageClient(config, service_endpoint=running.url)
    client.create_bucket("emulated", {"name": "kept", "compartmentId": "c"})
    rule = {"displayName": "hold", "duration": {"timeAmount": 30, "timeUnit": "DAYS"}}
    client.create_retention_rule("emulated", "kept", rule)
    target = OciTarget(replace(spec, bucket="kept"))
    target.put("l/data/x", DATA, md5=MD5)
    with pytest.raises(AccessDenied, match="retention rule"):
        target.delete("l/data/x")
    assert target.get("l/data/x") == DATA


def test_archived_objects_and_their_thaw(running: Running, spec: OciTargetSpec) -> None:
    running.settings(restore_delay=0.3)
    target = OciTarget(replace(spec, prefix="cold/", storage_tier=StorageTier.ARCHIVE))
    target.put("l/data/x", DATA, md5=MD5)
    target.put("l/records/1", DATA, md5=MD5, tier=Tier.STANDARD)
    states = {found.name: (found.tier, found.archival_state) for found in target.list()}
    assert states == {"l/data/x": ("Archive", "Archived"), "l/records/1": ("Standard", "")}
    assert target.get("l/records/1") == DATA
    with pytest.raises(ObjectArchived) as caught:
        target.get("l/data/x")
    assert "--thaw" in (caught.value.hint or "")
    target.restore_archived("l/data/x", 24)
    target.restore_archived("l/data/x", 24)
    assert target.stat("l/data/x").archival_state == "Restoring"
    time.sleep(0.4)
    assert target.stat("l/data/x").archival_state == "Restored"
    assert target.get("l/data/x") == DATA
    target.restore_archived("l/data/x", 24)


def test_check_says_which_policy_line_is_missing(running: Running, spec: OciTargetSpec) -> None:
    assert all(check.ok for check in check_permissions(OciTarget(spec)))
    assert list(OciTarget(spec).list("target-check/")) == []
    user = running.new_user("write-only", deny=("OBJECT_READ", "OBJECT_DELETE"))
    checks = check_permissions(OciTarget(replace(spec, auth=AuthSpec(config_file=user.config_file))))
    failed = {check.operation: check.policy for check in checks if not check.ok}
    assert set(failed) == {"GetObject", "DeleteObject"}
    assert "request.permission='OBJECT_DELETE'" in failed["DeleteObject"]


def test_who_may_only_read_is_tried_on_what_is_there(running: Running, spec: OciTargetSpec) -> None:
    OciTarget(spec).put("there", DATA, md5=MD5)
    user = running.new_user("reader", deny=("OBJECT_CREATE", "OBJECT_OVERWRITE", "OBJECT_DELETE"))
    checks = check_permissions(OciTarget(replace(spec, auth=AuthSpec(config_file=user.config_file))))
    failed = {check.operation: check.message for check in checks if not check.ok}
    assert not {"ListObjects", "HeadObject", "GetObject"} & set(failed)
    assert set(failed) == {"PutObject", "ReplaceObject", "DeleteObject"}
