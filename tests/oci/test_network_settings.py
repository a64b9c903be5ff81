"""Proxies and certificate authorities: the job's settings and the environment's; and who the machine says it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.errors import TargetError, TransientError
from backup_runner.spec import AuthMethod, AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci.forwarder import certificate, forwarding
from tests.oci.test_errors import token
from tests.oci_emulator.fixture import Running, start

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
DATA = b"data"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def spec(running: Running, monkeypatch: pytest.MonkeyPatch) -> OciTargetSpec:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    auth = AuthSpec(config_file=running.owner.config_file)
    return OciTargetSpec(running.bucket, running.namespace, endpoint=running.url, auth=auth)


def put(spec: OciTargetSpec) -> None:
    target = OciTarget(spec, patience=1)
    target.put(f"n/data/{time.monotonic_ns()}", DATA, md5=md5(DATA).digest())
    target.close()


def test_the_jobs_proxy(running: Running, spec: OciTargetSpec) -> None:
    with forwarding(running.url) as proxy:
        put(replace(spec, proxy=f"http://127.0.0.1:{proxy.port}"))
        assert proxy.absolute > 0


def test_the_environments_proxy_and_its_exceptions(
    running: Running, spec: OciTargetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with forwarding(running.url) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        put(spec)
        there = proxy.absolute
        assert there > 0
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        put(spec)
        assert proxy.absolute == there


def test_a_proxy_that_is_not_there(spec: OciTargetSpec) -> None:
    with pytest.raises(TransientError, match="the proxy does not answer") as caught:
        put(replace(spec, proxy="http://127.0.0.1:9"))
    assert "target.proxy" in (caught.value.hint or "")


def test_exceptions_hold_for_the_regions_endpoint(spec: OciTargetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    connection = OciTarget(replace(spec, endpoint=None, region="us-ashburn-1")).connection
    assert connection.place("n").endpoint == "https://objectstorage.us-ashburn-1.oraclecloud.com"
    assert connection.client.base_client.session.proxies["https"] == "http://127.0.0.1:9"
    monkeypatch.setenv("NO_PROXY", ".oraclecloud.com")
    connection = OciTarget(replace(spec, endpoint=None, region="us-ashburn-1")).connection
    assert connection.client.base_client.session.proxies == {}


def test_certificate_authorities(
    running: Running, spec: OciTargetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, context = certificate(tmp_path)
    with forwarding(running.url, context) as server:
        spec = replace(spec, endpoint=f"https://127.0.0.1:{server.port}")
        with pytest.raises(TargetError, match="certificate is not trusted") as caught:
            put(spec)
        assert "target.ca_bundle" in (caught.value.hint or "")
        put(replace(spec, ca_bundle=str(bundle)))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        put(spec)


def test_a_resource_principal(running: Running, spec: OciTargetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an OCI function has it: token, key and region from the environment."""
    own = token(time.time() + 3600)
    user = running.new_user("function", session_token=own)
    given = {"VERSION": "2.2", "RPST": own, "PRIVATE_PEM": Path(user.key_file).read_text(), "REGION": "eu-frankfurt-1"}
    for name, value in given.items():
        monkeypatch.setenv(f"OCI_RESOURCE_PRINCIPAL_{name}", value)
    spec = replace(spec, namespace=None, auth=AuthSpec(AuthMethod.RESOURCE_PRINCIPAL))
    running.clear_log()
    put(spec)
    assert {line["user"] for line in running.log()} == {"function"}
    place = OciTarget(replace(spec, endpoint=None)).connection.place("n")
    assert place.endpoint == "https://objectstorage.eu-frankfurt-1.oraclecloud.com"
    assert place.signer == "auth.method resource_principal"
