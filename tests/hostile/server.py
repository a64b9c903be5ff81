"""A real HTTP server that stands before a sound one and behaves badly: `python -m tests.hostile.server UPSTREAM NAME`.

Prints its address. UPSTREAM is the emulator's URL, NAME one of `behaviours.BEHAVIOURS`."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import socket
import sys
import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.hostile.behaviours import BEHAVIOURS, THROWN, Exchange


class Server:
    """One thread a connection; requests go on to the sound server as they are, signatures included."""

    def __init__(self, upstream: str, name: str) -> None:
        self._upstream = urlsplit(upstream)
        self._name = name
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._kept: dict[str, Any] = {}
        self._count = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while line := file.readline():
                method, target, _ = line.decode().split(" ")
                headers: list[tuple[str, str]] = []
                while (header := file.readline().strip()) != b"":
                    name, _, value = header.decode("latin-1").partition(":")
                    headers.append((name.strip(), value.strip()))
                sizes = [int(value) for name, value in headers if name.lower() == "content-length"]
                sent = file.read(sizes[0]) if sizes else b""
                if not self._exchange(connection, method, target, headers, sent):
                    return

    def _exchange(
        self, connection: socket.socket, method: str, target: str, headers: list[tuple[str, str]], sent: bytes
    ) -> bool:
        parts = urlsplit(target)
        if self._name in THROWN and method == "PUT":
            md5 = base64.b64encode(hashlib.md5(sent).digest()).decode()
            status, answer, body = 200, {"etag": "e", "opc-content-md5": md5}, b""
        else:
            status, answer, body = self._ask(method, target, headers, sent)
        used = False

        def send(data: bytes) -> None:
            nonlocal used
            used = True
            connection.sendall(data)

        self._count += 1
        query = dict(parse_qsl(parts.query))
        exchange = Exchange(method, parts.path, query, status, answer, body, send, self._count, self._kept)
        before = (exchange.status, exchange.headers.copy(), exchange.body)
        BEHAVIOURS[self._name](exchange)
        if used or (self._name == "closed at once" and before):
            return False
        length = {} if method == "HEAD" else {"content-length": str(len(exchange.body))}
        lines = [f"HTTP/1.1 {exchange.status} X", *(f"{k}: {v}" for k, v in (exchange.headers | length).items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if method != "HEAD":
            connection.sendall(exchange.body)
        return True

    def _ask(
        self, method: str, target: str, headers: list[tuple[str, str]], sent: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection(self._upstream.hostname or "", self._upstream.port, timeout=30)
        try:
            upstream.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                upstream.putheader(name, value)
            upstream.endheaders(sent or None)
            answer = upstream.getresponse()
            body = answer.read()
            kept = {name.lower(): value for name, value in answer.getheaders()}
            if method != "HEAD":
                kept.pop("content-length", None)
            kept.pop("connection", None)
            return answer.status, kept, body
        finally:
            upstream.close()


if __name__ == "__main__":
    server = Server(sys.argv[1], sys.argv[2])
    print(server.url, flush=True)
    server.serve()
