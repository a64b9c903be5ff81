"""The policies in docs/oci-setup.md, held against what the emulator asks for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from backup_runner.report.look import Look
from backup_runner.report.permissions import check_fields, check_lines
from backup_runner.targets.checking import TargetCheck, check_permissions
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running

PAGE = Path(__file__).parents[3] / "docs" / "oci-setup.md"
NAMES = r"(?:OBJECT|BUCKET)_[A-Z_]+"
WRITING = {"PutObject", "ReplaceObject", "DeleteObject"}


def granted(role: str) -> set[str]:
    match = re.search(rf"```text {role}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match
    assert all("target.bucket.name='backup'" in line for line in match.group(1).splitlines())
    return set(re.findall(rf"request\.permission='({NAMES})'", match.group(1)))


@pytest.mark.parametrize(
    ("role", "fails"),
    [
        ("full", set()),
        ("write-only", {"GetObject", "ReplaceObject", "DeleteObject"}),
        ("restore-only", {*WRITING, "HeadObject", "GetObject"}),
    ],
)
def test_policies_do_what_the_page_says(running: Running, role: str, fails: set[str]) -> None:
    everything = set(re.findall(NAMES, PAGE.read_text()))
    user = running.new_user(role, deny=tuple(everything - granted(role)))
    auth = AuthSpec(config_file=user.config_file)
    spec = OciTargetSpec(running.bucket, None, f"{role}/", endpoint=running.url, auth=auth)
    checks = check_permissions(OciTarget(spec))
    # A restore-only user has no probe object to look at, so steps that need one fail with the put.
    assert {check.operation for check in checks if not check.ok} == fails


def test_restore_only_reads_what_others_stored(running: Running) -> None:
    owner = AuthSpec(config_file=running.owner.config_file)
    spec = OciTargetSpec(running.bucket, None, "shared/", endpoint=running.url, auth=owner)
    data = b"stored"
    OciTarget(spec).put("l/data/x", data, md5=hashlib.md5(data).digest())
    everything = set(re.findall(NAMES, PAGE.read_text()))
    user = running.new_user("reader", deny=tuple(everything - granted("restore-only")))
    reader = OciTarget(replace(spec, auth=AuthSpec(config_file=user.config_file)))
    assert [found.name for found in reader.list()] == ["l/data/x"]
    assert reader.get("l/data/x") == data


def test_a_retention_rule_is_no_missing_right(running: Running) -> None:
    import oci

    config = oci.config.from_file(running.owner.config_file)
    client = oci.object_storage.ObjectStorageClient(config, service_endpoint=running.url)
    client.create_bucket(running.namespace, {"name": "ruled", "compartmentId": "c"})
    rule = {"displayName": "hold", "duration": {"timeAmount": 30, "timeUnit": "DAYS"}}
    client.create_retention_rule(running.namespace, "ruled", rule)
    auth = AuthSpec(config_file=running.owner.config_file)
    target = OciTarget(OciTargetSpec("ruled", None, "x/", endpoint=running.url, auth=auth))
    found = TargetCheck(target.identity, check_permissions(target))
    fields = check_fields(found)
    assert fields["ok"]
    assert {check["operation"] for check in fields["checks"] if check["held"]} == {"ReplaceObject", "DeleteObject"}
    assert not any(check["policy"] for check in fields["checks"])
    said = "\n".join(check_lines(found, Look()))
    (left,) = target.list()
    assert f"the probe {left.name} was not deleted" in said
    assert "MISSING" not in said


def test_a_write_only_host_is_told_from_a_faulty_policy(running: Running) -> None:
    everything = set(re.findall(NAMES, PAGE.read_text()))
    for name, rights, known in (
        ("wo", granted("write-only"), True),
        ("none", granted("write-only") - {"OBJECT_INSPECT"}, False),
    ):
        user = running.new_user(name, deny=tuple(everything - rights))
        auth = AuthSpec(config_file=user.config_file)
        target = OciTarget(OciTargetSpec(running.bucket, None, f"{name}/", endpoint=running.url, auth=auth))
        said = "\n".join(check_lines(TargetCheck(target.identity, check_permissions(target)), Look()))
        assert ("as on a write-only host" in said) == known
        assert "was not deleted" in said
