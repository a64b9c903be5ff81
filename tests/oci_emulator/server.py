"""Takes connections, one thread each, and brings requests, faults and answers together."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
import uuid

from .api import ApiError, Request, Response, error_response, http_date
from .control import Emulator
from .faults import Rule
from .operations import HANDLERS, HASHED
from .routes import route
from .signing import authenticate
from .wire import Closed, Wire

_LARGEST = 50 << 30


class _Gone(Exception):
    """A fault ends the connection."""


class Server:
    """Listens on `host`:`port` (0 picks one)."""

    def __init__(self, emulator: Emulator, host: str, port: int) -> None:
        self.emulator = emulator
        self._socket = socket.create_server((host, port), backlog=512)
        self.host, self.port = self._socket.getsockname()[:2]
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def serve(self) -> None:
        """Until `stop` is called from another thread or a signal handler."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _connection(self, connection: socket.socket) -> None:
        wire = Wire(connection)
        try:
            while True:
                head = wire.read_head()
                if head is None or not _Exchange(self.emulator, wire, *head).run():
                    return
        except (OSError, Closed):
            return
        finally:
            connection.close()


class _Exchange:
    """One request and its answer."""

    def __init__(self, emulator: Emulator, wire: Wire, method: str, target: str, headers: dict[str, str]) -> None:
        self.emulator, self.wire = emulator, wire
        call, query = route(method, target)
        self.request = Request(method, target, query, headers, call)
        self.faults: dict[str, Rule] = {}
        self.started = time.monotonic()

    def run(self) -> bool:
        """True when the connection can take another request."""
        request = self.request
        if request.call.operation == "Emulator":
            return self._control()
        self.faults = self.emulator.faults.strike(request.call.operation, self._subject())
        response = Response(0)
        try:
            self._receive()
            self._pause()
            response = self._answer()
            # Before the answer, so that whoever has it finds the request in the log.
            self._note(response)
            return self._send(response)
        except _Gone:
            if not response.status:
                self._note(response)
            self.wire.reset()
            return False

    def _subject(self) -> str:
        """What a fault's name pattern is compared with; listings and uploads show their prefix or object."""
        return self.request.call.name or self.request.query.get("prefix", "")

    def _control(self) -> bool:
        try:
            self.request.body, _ = self.wire.read_body(int(self.request.header("content-length") or 0), hashed=False)
            response = self.emulator.control(self.request)
        except ApiError as error:
            response = error_response(error)
        self.wire.send(response, body=True, close=False)
        return True

    def _receive(self) -> None:
        request = self.request
        if "reset_before" in self.faults:
            raise _Gone
        length = int(request.header("content-length") or 0)
        if request.header("transfer-encoding") or length > _LARGEST:
            self.wire.send(Response(411 if length == 0 else 413), body=True, close=True)
            raise Closed("this body is not taken")
        if request.header("expect").lower() == "100-continue":
            self.wire.go_on()
        if "reset_amid" in self.faults and length:
            self.wire.read_body(length // 2, hashed=False)
            raise _Gone
        altered = bool(self.faults.keys() & {"corrupt_request", "corrupt_stored"}) and length > 0
        request.body, request.md5 = self.wire.read_body(length, hashed=request.call.operation in HASHED and not altered)
        if altered:
            self._alter_request(request.body)
        if "reset_after" in self.faults:
            raise _Gone

    def _alter_request(self, body: bytearray) -> None:
        rule = self.faults.get("corrupt_request") or self.faults["corrupt_stored"]
        _flip(body, rule.at)
        self.request.md5 = hashlib.md5(body).digest()
        if "corrupt_stored" in self.faults:
            self.request.headers.pop("content-md5", None)

    def _pause(self) -> None:
        seconds = self.emulator.latency
        if "delay" in self.faults:
            seconds += self.faults["delay"].seconds
        if seconds:
            time.sleep(seconds)

    def _answer(self) -> Response:
        request, emulator = self.request, self.emulator
        now = time.time() + emulator.clock_offset
        if "page" in self.faults:
            return _page(self.faults["page"])
        try:
            if "status" in self.faults:
                raise _status(self.faults["status"])
            handler = HANDLERS.get(request.call.operation)
            user = authenticate(request, emulator.users, now)
            request.user, request.denied, request.policy = user.name, user.deny, user.policy
            if handler is None:
                raise ApiError(404, "NotFound", f"the emulator knows no {request.method} {request.target}")
            response = handler(emulator.store, request)
        except ApiError as error:
            response = error_response(error)
            if request.method == "HEAD":
                response = Response(error.status, error.headers)
        response.headers["date"] = http_date(now)
        response.headers["opc-request-id"] = request.header("opc-request-id") or uuid.uuid4().hex.upper()
        if request.header("opc-client-request-id"):
            response.headers["opc-client-request-id"] = request.header("opc-client-request-id")
        return response

    def _send(self, response: Response) -> bool:
        if "lost" in self.faults:
            raise _Gone
        if "reset_amid" in self.faults:
            if response.size:
                self.wire.send_part(response, 0.5)
                # Otherwise the reset overtakes what was sent, and the fault is another one.
                time.sleep(0.05)
            raise _Gone
        body = self.request.method != "HEAD" and response.status != 304
        if "truncate" in self.faults and body and response.size:
            self.wire.send_part(response, 0.5)
            return False
        if "corrupt" in self.faults:
            _corrupt(response, self.faults["corrupt"].at)
        close = self.request.header("connection").lower() == "close"
        self.wire.send(response, body=body, close=close)
        return not close

    def _note(self, response: Response) -> None:
        request = self.request
        self.emulator.log.add(
            {
                "time": time.time(),
                "method": request.method,
                "target": request.target,
                "operation": request.call.operation,
                "bucket": request.call.bucket,
                "name": request.call.name,
                "query": request.query,
                "status": response.status,
                "received": len(request.body),
                "sent": response.size,
                "range": request.header("range"),
                "md5": request.header("content-md5"),
                "user": request.user,
                "fault": ",".join(sorted(self.faults)),
                "milliseconds": round((time.monotonic() - self.started) * 1000, 2),
            }
        )


def _status(rule: Rule) -> ApiError:
    headers = {} if rule.retry_after is None else {"retry-after": f"{rule.retry_after:g}"}
    return ApiError(rule.status, rule.code, rule.message, headers)


def _page(rule: Rule) -> Response:
    """What something on the way answers: neither JSON nor any header of the service's."""
    html = f"<html><head><style>p {{}}</style></head><body><p>{rule.message}</p></body></html>"
    return Response(rule.status, {"content-type": "text/html", "date": http_date(time.time())}, [html.encode()])


def _flip(body: bytearray, at: float) -> None:
    body[min(int(len(body) * at), len(body) - 1)] ^= 1


def _corrupt(response: Response, at: float) -> None:
    """One wrong byte; an answer without a body gets a wrong checksum instead."""
    if response.size:
        body = bytearray(b"".join(response.body))
        _flip(body, at)
        response.body = [body]
        return
    for name in ("opc-content-md5", "opc-multipart-md5"):
        if name in response.headers:
            response.headers[name] = "AAAAAAAAAAAAAAAAAAAAAA=="
