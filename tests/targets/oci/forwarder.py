"""Something between client and emulator: an HTTP proxy, or the end of a TLS connection."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Forwarder:
    """Passes connections on to `host`:`port`, and counts them. With `tls` it speaks TLS to its clients."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.absolute = 0
        """Connections whose first request named its server, as requests to a proxy do."""
        self._there = host, port
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(client,), daemon=True).start()

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _connection(self, client: socket.socket) -> None:
        self.connections += 1
        with contextlib.suppress(OSError), client, socket.create_connection(self._there) as server:
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True)
            threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
            while data := client.recv(1 << 16):
                server.sendall(self._relative(data))

    def _relative(self, data: bytes) -> bytes:
        """A request as the server itself takes it. (Here each comes in a piece of its own.)"""
        method, _, rest = data.partition(b" ")
        if not rest.startswith(b"http://"):
            return data
        self.absolute += 1
        url, _, rest = rest.partition(b" ")
        parts = urlsplit(url)
        return method + b" " + parts.path + (b"?" + parts.query if parts.query else b"") + b" " + rest


def _pass_on(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            to.sendall(data)
        to.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def forwarding(url: str, tls: ssl.SSLContext | None = None) -> Iterator[Forwarder]:
    parts = urlsplit(url)
    forwarder = Forwarder(parts.hostname or "", parts.port or 0, tls)
    thread = threading.Thread(target=forwarder.serve, daemon=True)
    thread.start()
    try:
        yield forwarder
    finally:
        forwarder.stop()
        thread.join()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that signs itself, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "ca.pem", folder / "server.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return pem, context
