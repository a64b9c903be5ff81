"""The policies in docs/oci-setup.md, held against what the emulator asks for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backup_runner.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.checking import check_permissions
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running, start

PAGE = Path(__file__).parents[2] / "docs" / "oci-setup.md"
NAMES = r"(?:OBJECT|BUCKET)_[A-Z_]+"
WRITING = {"PutObject", "ReplaceObject", "CreateMultipartUpload", "UploadPart"}
CLEANING = {"AbortMultipartUpload", "DeleteObject"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


def granted(role: str) -> set[str]:
    match = re.search(rf"```text {role}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match
    assert all("target.bucket.name='backup'" in line for line in match.group(1).splitlines())
    return set(re.findall(rf"request\.permission='({NAMES})'", match.group(1)))


@pytest.mark.parametrize(
    ("role", "fails"),
    [
        ("full", set()),
        ("write-only", {"GetObject", *CLEANING}),
        ("restore-only", {*WRITING, *CLEANING, "HeadObject", "GetObject", "ListMultipartUploadParts"}),
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
