"""The emulator itself: signatures, conditions, listings, actions, and that it survives a restart."""

from __future__ import annotations

import base64
import datetime
import email.utils
import hashlib
import os
import socket
import time
from pathlib import Path
from typing import Any

import oci
import pytest

from tests.oci_emulator.fixture import Running, start
from tests.targets.oci.test_latency import cpu_of_emulator

NS, BUCKET = "emulated", "backup"


def connect(running: Running, config_file: str = "") -> Any:
    config = oci.config.from_file(config_file or running.owner.config_file)
    return oci.object_storage.ObjectStorageClient(
        config,
        service_endpoint=running.url,
        retry_strategy=oci.retry.NoneRetryStrategy(),
        circuit_breaker_strategy=oci.circuit_breaker.NoCircuitBreakerStrategy(),
    )


@pytest.fixture
def client(running: Running) -> Any:
    return connect(running)


def refused(call: Any, *arguments: Any, **options: Any) -> tuple[int, str]:
    with pytest.raises(oci.exceptions.ServiceError) as caught:
        call(*arguments, **options)
    return caught.value.status, caught.value.code


def raw(running: Running, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request over a socket of its own; the head of the answer."""
    lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{running.port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return connection.recv(65536)


def signed(running: Running, method: str, path: str, date: str | None = None) -> dict[str, str]:
    config = oci.config.from_file(running.owner.config_file)
    signer = oci.signer.Signer.from_config(config)
    headers = {"date": date or email.utils.formatdate(usegmt=True), "host": f"127.0.0.1:{running.port}"}
    request = oci._vendor.requests.Request(method, f"{running.url}{path}", headers=headers).prepare()
    signer.do_request_sign(request, enforce_content_headers=False)
    return {name: str(value) for name, value in request.headers.items() if name.lower() != "host"}


def test_signatures(running: Running) -> None:
    path = f"/n/{NS}/b/{BUCKET}/o/signed%2Fname"
    good = signed(running, "GET", path)
    assert raw(running, "GET", path, good).startswith(b"HTTP/1.1 404")
    assert raw(running, "GET", f"{path}x", good).startswith(b"HTTP/1.1 401")
    assert raw(running, "HEAD", path, good).startswith(b"HTTP/1.1 401")
    assert raw(running, "GET", path.replace("%2F", "/"), good).startswith(b"HTTP/1.1 401")
    unknown = {**good, "authorization": good["authorization"].replace("ocid1.user", "ocid2.user")}
    assert raw(running, "GET", path, unknown).startswith(b"HTTP/1.1 401")
    assert raw(running, "GET", path, {"date": good["date"]}).startswith(b"HTTP/1.1 401")
    old = email.utils.format_datetime(datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=6), usegmt=True)
    assert raw(running, "GET", path, signed(running, "GET", path, old)).startswith(b"HTTP/1.1 401")


def test_the_body_of_a_post_is_signed(running: Running, client: Any) -> None:
    client.base_client.signer._body_signer.headers = ["date", "(request-target)", "host"]
    template = client.base_client.signer._body_signer.signature_template
    client.base_client.signer._body_signer.signature_template = template.replace(
        " content-length content-type x-content-sha256", ""
    )
    assert refused(client.create_bucket, NS, {"name": "unsigned", "compartmentId": "c"}) == (401, "NotAuthenticated")


@pytest.mark.parametrize("wait", [False, True])
def test_expect_in_both_orders(running: Running, wait: bool) -> None:
    path = f"/n/{NS}/b/{BUCKET}/o/expect{wait}"
    headers = {**signed(running, "PUT", path), "content-length": "5", "expect": "100-continue"}
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        lines = [f"PUT {path} HTTP/1.1", f"host: 127.0.0.1:{running.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        if wait:
            connection.sendall(head)
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"hello")
        else:
            connection.sendall(head + b"hello")
        answer = b""
        while b" 200 " not in answer:
            answer += connection.recv(65536)
    assert b"opc-content-md5: XUFAKrxLKna5cZ2REBfFkg==" in answer


def test_checksums_and_conditions(client: Any) -> None:
    wrong = "AAAAAAAAAAAAAAAAAAAAAA=="
    put = client.put_object
    assert refused(put, NS, BUCKET, "c", b"x", content_md5=wrong) == (400, "UnmatchedContentMD5")
    assert refused(put, NS, BUCKET, "c", b"x", opc_content_sha256=wrong) == (400, "UnmatchedContentSHA256")
    assert refused(put, NS, BUCKET, "c", b"x", storage_tier="Freezer") == (400, "InvalidStorageTier")
    etag = put(NS, BUCKET, "c", b"x", opc_checksum_algorithm="CRC32C").headers["etag"]
    assert refused(put, NS, BUCKET, "c", b"y", if_none_match="*") == (412, "IfNoneMatchFailed")
    assert refused(put, NS, BUCKET, "c", b"y", if_match="other") == (412, "IfMatchFailed")
    assert refused(client.delete_object, NS, BUCKET, "c", if_match="other") == (412, "IfMatchFailed")
    assert refused(client.get_object, NS, BUCKET, "c", if_none_match=etag)[0] == 304
    assert refused(client.get_object, NS, BUCKET, "c", range="bytes=5-9") == (416, "InvalidRange")
    assert refused(client.get_object, NS, BUCKET, "none") == (404, "ObjectNotFound")
    assert refused(client.get_object, NS, "none", "c") == (404, "BucketNotFound")
    assert refused(client.get_object, "none", BUCKET, "c") == (404, "NamespaceNotFound")
    assert refused(client.put_object, NS, BUCKET, "n" * 1025, b"") == (400, "InvalidObjectName")
    assert refused(client.delete_bucket, NS, BUCKET) == (409, "BucketNotEmpty")
    assert refused(client.create_bucket, NS, {"name": BUCKET}) == (409, "BucketAlreadyExists")


def test_listing(client: Any) -> None:
    for name in ("l/a/1", "l/a/2", "l/b", "l/c/1", "l/d"):
        client.put_object(NS, BUCKET, name, b"x")

    def listed(**options: Any) -> tuple[list[str], list[str], str | None]:
        data = client.list_objects(NS, BUCKET, **options).data
        return [item.name for item in data.objects], data.prefixes or [], data.next_start_with

    assert listed(prefix="l/", delimiter="/") == (["l/b", "l/d"], ["l/a/", "l/c/"], None)
    assert listed(prefix="l/", delimiter="/", limit=2) == (["l/b"], ["l/a/"], "l/c/1")
    assert listed(prefix="l/", start="l/b", end="l/d") == (["l/b", "l/c/1"], [], None)
    assert listed(prefix="l/", start_after="l/b", limit=1) == (["l/c/1"], [], "l/d")
    (item,) = client.list_objects(NS, BUCKET, prefix="l/b", fields="name,size,md5,timeCreated").data.objects
    assert (item.size, item.md5, item.etag) == (1, "ndTkYSaMgDT1yFZOFVxnpg==", None)
    assert refused(client.list_objects, NS, BUCKET, delimiter="x")[0] == 400
    versions = client.list_object_versions(NS, BUCKET, prefix="l/").data.items
    assert [item.name for item in versions] == ["l/a/1", "l/a/2", "l/b", "l/c/1", "l/d"]


def test_actions(client: Any) -> None:
    models = oci.object_storage.models
    client.put_object(NS, BUCKET, "act/old", b"moved")
    client.rename_object(NS, BUCKET, models.RenameObjectDetails(source_name="act/old", new_name="act/new"))
    assert client.get_object(NS, BUCKET, "act/new").data.content == b"moved"
    details = models.CopyObjectDetails(
        source_object_name="act/new",
        destination_region="us-ashburn-1",
        destination_namespace=NS,
        destination_bucket=BUCKET,
        destination_object_name="act/copy",
    )
    work = client.copy_object(NS, BUCKET, details).headers["opc-work-request-id"]
    assert client.get_work_request(work).data.status == "COMPLETED"
    client.update_object_storage_tier(
        NS, BUCKET, models.UpdateObjectStorageTierDetails(object_name="act/copy", storage_tier="Archive")
    )
    assert refused(client.get_object, NS, BUCKET, "act/copy") == (409, "NotRestored")
    assert client.head_object(NS, BUCKET, "act/copy").headers["archival-state"] == "Archived"
    names = [models.BatchDeleteObjectIdentifier(object_name=name) for name in ("act/new", "act/copy", "act/none")]
    result = client.batch_delete_objects(NS, BUCKET, models.BatchDeleteObjectsDetails(objects=names)).data
    assert [item.object_name for item in result.deleted] == ["act/new", "act/copy"]
    assert [(item.object_name, item.status_code) for item in result.failed] == [("act/none", 404)]


def test_log_and_settings(running: Running, client: Any) -> None:
    running.clear_log()
    running.settings(latency=0.1)
    started = time.monotonic()
    client.put_object(NS, BUCKET, "logged", b"abc")
    assert time.monotonic() - started >= 0.1
    running.settings(latency=0)
    (line,) = running.log()
    assert (line["operation"], line["name"], line["status"], line["received"]) == ("PutObject", "logged", 200, 3)
    assert line["user"] == "owner"


def test_objects_on_disk_survive_a_restart(tmp_path: Path) -> None:
    data = os.urandom(70_000)
    root = str(tmp_path / "root")
    for turn in range(2):
        with start(tmp_path / "files", "--root", root, "--log", str(tmp_path / "log")) as running:
            client = connect(running)
            if turn == 0:
                client.put_object(NS, BUCKET, "kept", data)
            assert client.get_object(NS, BUCKET, "kept").data.content == data
    assert len((tmp_path / "log").read_text().splitlines()) == 3


def test_it_takes_200_megabytes_a_second_on_one_core(running: Running, client: Any) -> None:
    """By its own CPU time, so that it does not matter what else this machine does."""
    body = os.urandom(16 << 20)
    checksum = base64.b64encode(hashlib.md5(body).digest()).decode()
    client.put_object(NS, BUCKET, "warm", b"x")
    before = cpu_of_emulator(running)
    for number in range(16):
        client.put_object(NS, BUCKET, f"speed/{number % 2}", body, content_md5=checksum)
    rate = 16 * len(body) / (cpu_of_emulator(running) - before) / 1e6
    print(f"the emulator takes {rate:.0f} MB of PUT for each second of CPU")
    assert rate >= 200
