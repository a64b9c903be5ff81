"""Proxies and certificate authorities: the job's settings and the environment's; and who the machine says it is."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.errors import ConfigError, TargetError, TransientError
from backup_runner.targets.oci.spec import AuthMethod, AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running
from tests.targets.oci.forwarder import certificate, forwarding
from tests.targets.oci.test_errors import token

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
DATA = b"data"


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
    with pytest.raises(TransientError, match="the proxy does not respond") as caught:
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


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "contains no certificates"), (b"hello", "contains no certificates")],
)
def test_a_bundle_that_cannot_be_used(
    spec: OciTargetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, words: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        put(replace(spec, ca_bundle=str(path)))
    assert caught.value.message.startswith(f"target.ca_bundle {path}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(ConfigError, match=words) as caught:
        put(spec)
    assert caught.value.message.startswith(f"REQUESTS_CA_BUNDLE {path}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("socks5h://127.0.0.1:1080", "is a SOCKS proxy"),
        ("socks4://127.0.0.1:1080", "is a SOCKS proxy"),
        ("ftp://127.0.0.1", "is not the URL of an HTTP proxy"),
        ("http://127.0.0.1:port", "is not a URL"),
        ("http://", "is not the URL of an HTTP proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used(
    spec: OciTargetSpec, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=f"target.proxy {words}"):
        put(replace(spec, proxy=url))
    monkeypatch.setenv("HTTP_PROXY", url)
    with pytest.raises(ConfigError, match=f"the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY {words}"):
        put(spec)


class _Answering(http.server.BaseHTTPRequestHandler):
    """A proxy that wants a password; its server's `asked` are the request lines."""

    def do_GET(self) -> None:
        self.server.asked.append(self.requestline)  # type: ignore[attr-defined]
        self.send_response(407)
        self.send_header("content-length", "0")
        self.end_headers()

    do_PUT = do_CONNECT = do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("endpoint", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_asked_once(spec: OciTargetSpec, endpoint: str) -> None:
    with served(_Answering) as proxy:
        url = f"http://127.0.0.1:{proxy.server_port}"
        there = spec.endpoint if endpoint == "http" else "https://objectstorage.example.invalid"
        with pytest.raises(TargetError, match="the proxy requires authentication") as caught:
            put(replace(spec, proxy=url, endpoint=there))
        assert not isinstance(caught.value, TransientError)
        assert "USER:PASSWORD" in str(caught.value.hint)
        assert len(proxy.asked) == 1  # type: ignore[attr-defined]


def test_a_server_that_takes_connections_and_never_answers(spec: OciTargetSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        target = OciTarget(replace(spec, endpoint=f"http://127.0.0.1:{server.getsockname()[1]}"))
        with pytest.raises(TransientError, match="did not respond in time") as caught:
            target.put("x", DATA, md5=md5(DATA).digest())
        assert time.monotonic() - started < 40
        assert "target.endpoint" in str(caught.value.hint)


def test_a_slow_answer_later_is_waited_for(running: Running, spec: OciTargetSpec) -> None:
    """Once a server answered, it may take its time, in worker processes too."""
    import pickle

    target = OciTarget(spec)
    target.put(f"n/data/{time.monotonic_ns()}", DATA, md5=md5(DATA).digest())
    child = pickle.loads(pickle.dumps(target))
    running.add_faults({"kind": "delay", "operation": "PutObject", "seconds": 22, "count": 1})
    child.put(f"n/data/{time.monotonic_ns()}", DATA, md5=md5(DATA).digest())
    assert len([line for line in running.log("PutObject") if line["status"] == 200]) >= 2
    running.clear_faults()


def test_an_instance_principal_asks_for_its_token_through_the_proxy(
    spec: OciTargetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate_pem, key_pem = _instance_certificate()

    class Metadata(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"region": b"us-ashburn-1", "key.pem": key_pem}.get(self.path.rpartition("/")[2], certificate_pem)
            self.send_response(200)
            self.send_header("content-length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *arguments: object) -> None:
            pass

    with served(Metadata) as metadata, served(_Answering) as proxy:
        monkeypatch.setenv("OCI_METADATA_BASE_URL", f"http://127.0.0.1:{metadata.server_port}/opc/v2")
        auth = AuthSpec(AuthMethod.INSTANCE_PRINCIPAL)
        with pytest.raises(TargetError):
            put(replace(spec, proxy=f"http://127.0.0.1:{proxy.server_port}", auth=auth))
        assert proxy.asked[0].startswith("CONNECT auth.us-ashburn-1.oraclecloud.com:443")  # type: ignore[attr-defined]


def _instance_certificate() -> tuple[bytes, bytes]:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(65537, 2048)
    tenancy = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "opc-tenant:ocid1.tenancy.oc1..emulated")
    name = x509.Name([tenancy])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private
