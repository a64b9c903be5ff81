"""HTTP/1.1 on a socket, written for speed: bodies are read straight into the buffer that is kept."""

from __future__ import annotations

import hashlib
import socket
import struct

from .api import Response

_HEAD_LIMIT = 64 << 10
_STRIDE = 256 << 10
_REASONS = {200: "OK", 202: "Accepted", 204: "No Content", 206: "Partial Content", 304: "Not Modified"}


class Closed(Exception):
    """The peer is gone, or said something that is not HTTP."""


class Wire:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._ahead = b""

    def read_head(self) -> tuple[str, str, dict[str, str]] | None:
        """Method, target and headers (names in lower case); None when the peer is done."""
        data = self._ahead
        while (end := data.find(b"\r\n\r\n")) < 0:
            more = self.socket.recv(65536)
            if not more:
                return None
            data += more
            if len(data) > _HEAD_LIMIT:
                raise Closed("the head is too long")
        self._ahead = data[end + 4 :]
        lines = data[:end].decode("latin-1").lstrip("\r\n").split("\r\n")
        pieces = lines[0].split(" ")
        if len(pieces) != 3:
            raise Closed("not an HTTP request")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return pieces[0], pieces[1], headers

    def read_body(self, length: int, *, hashed: bool) -> tuple[bytearray, bytes]:
        """`length` bytes and, if asked for, their MD5."""
        body = bytearray(length)
        view = memoryview(body)
        digest = hashlib.md5(usedforsecurity=False)
        ahead = self._ahead[:length]
        self._ahead = self._ahead[length:]
        place = len(ahead)
        view[:place] = ahead
        hashed_to = 0
        while place < length:
            took = self.socket.recv_into(view[place:], min(length - place, 4 * _STRIDE))
            if not took:
                raise Closed("the body ends early")
            place += took
            if hashed and place - hashed_to >= _STRIDE:
                digest.update(view[hashed_to:place])
                hashed_to = place
        if not hashed:
            return body, b""
        digest.update(view[hashed_to:])
        return body, digest.digest()

    def go_on(self) -> None:
        """Tell a client that waits for it to send the body."""
        if not self._ahead:
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send(self, response: Response, *, body: bool, close: bool) -> None:
        """The head, and the body unless it is not wanted (HEAD) or there is none."""
        head = self._head(response, close)
        if body and response.size and response.size < _STRIDE:
            self.socket.sendall(b"".join([head, *response.body]))
            return
        self.socket.sendall(head)
        if body:
            for piece in response.body:
                self.socket.sendall(piece)

    def send_part(self, response: Response, fraction: float) -> None:
        """The head and so much of the body."""
        rest = int(response.size * fraction)
        self.socket.sendall(self._head(response, close=False))
        for piece in response.body:
            self.socket.sendall(memoryview(piece)[:rest])
            rest -= min(rest, len(piece))

    def reset(self) -> None:
        """Close so that the peer sees "connection reset"."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    @staticmethod
    def _head(response: Response, close: bool) -> bytes:
        lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Refused')}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if response.status not in (204, 304):
            length = response.size if response.length is None else response.length
            lines.append(f"content-length: {length}")
        if close:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
