"""Services that answer a notice with garbage, slowly or never, and malformed URLs: nothing stops, waits or leaks."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from backup_runner.runs import notices
from backup_runner.runs.notices import Event, tell
from backup_runner.spec import NoticeStyle, Notify

SECRET = "topic-that-nobody-may-know"
Answer = Callable[[socket.socket], None]


def dribble(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        client.sendall(b"X-More: 1\r\n")
        time.sleep(0.2)


def endless(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        client.sendall(b"x" * 65536)


ANSWERS: dict[str, tuple[Answer, str]] = {
    "garbage": (lambda client: client.sendall(f"{SECRET} \x1b[2J ::error::\r\n\r\n".encode()), "could not be sent: "),
    "binary": (lambda client: client.sendall(bytes(range(256)) * 300), "could not be sent: "),
    "nothing": (lambda client: client.shutdown(socket.SHUT_RDWR), "could not be sent: "),
    "status": (lambda client: client.sendall(f"HTTP/1.1 500 {SECRET}\r\n\r\n{SECRET}".encode()), "status 500"),
    "redirect to a file": (
        lambda client: client.sendall(f"HTTP/1.1 302 x\r\nLocation: file:///{SECRET}\r\n\r\n".encode()),
        "status 302",
    ),
    "headers": (lambda client: client.sendall(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000), "could not be sent: "),
    "silence": (lambda client: time.sleep(60), "within 2 s"),
    "one byte after the other": (dribble, "within 2 s"),
    "a body without end": (endless, ""),
}


@contextlib.contextmanager
def service(answer: Answer) -> Iterator[str]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(client,), daemon=True).start()

    def one(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.recv(65536)
            answer(client)

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "SECONDS", 2.0)


def send(url: str, style: NoticeStyle = NoticeStyle.NTFY) -> str:
    started = time.monotonic()
    said = tell(Notify(style, url_env="URL"), Event.FAILURE, "docs", "text", {**os.environ, "URL": url})
    assert time.monotonic() - started < 6
    assert SECRET not in said
    assert said.isprintable()
    return said


@pytest.mark.parametrize("what", ANSWERS)
def test_a_service_that_answers_badly_is_a_warning(what: str) -> None:
    answer, said = ANSWERS[what]
    with service(answer) as url:
        found = send(f"{url}/{SECRET}")
    assert said in found if said else found == ""


@pytest.mark.parametrize(
    "url",
    [
        f"http://[::1/{SECRET}",
        f"http://127.0.0.1:{SECRET}/",
        f"http://127.0.0.1:9/{SECRET} with\nblanks",
        f"http://user:{SECRET}@127.0.0.1:9/",
        f"http://{SECRET}\x1b[2J/",
        f"http://{'a' * 300}.invalid/{SECRET}",
        f"file:///{SECRET}",
        f"{SECRET}",
        "http://",
        f"http://127.0.0.1:9/{SECRET}\0",
        f"http://127.0.0.1:9/{SECRET}\udcff",
    ],
)
@pytest.mark.parametrize("style", NoticeStyle)
def test_a_url_that_is_none_is_a_warning(url: str, style: NoticeStyle) -> None:
    assert send(url, style)


def test_other_services_are_reached_through_apprise() -> None:
    got: list[bytes] = []

    def take(client: socket.socket) -> None:
        got.append(b"there")
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with service(take) as url:
        notices.SECONDS = 20.0
        assert send(url.replace("http://", "json://") + f"/{SECRET}", NoticeStyle.APPRISE) == ""
    assert got == [b"there"]
