"""The process behind `tests.support.command`: loads the whole program once, then forks a child for each request.

It has no threads, so a child is as good as new. It ends when the process that started it does.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import time
from typing import Any

_LARGEST = 1 << 20


def load() -> None:
    import backup_runner

    for module in pkgutil.walk_packages(backup_runner.__path__, "backup_runner."):
        # Those that are run, not imported.
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


class Forking:
    """Answers each request with the wait status of its child."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)
        self._children: dict[int, tuple[int, socket.socket]] = {}
        """Process and connection, by descriptor of the process."""

    def run(self) -> tuple[dict[str, Any], list[int]] | None:
        """Returns in each child what it was asked, with its streams; None when all is over."""
        while True:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    return None
                if key.fileobj is self._listener:
                    if (asked := self._fork()) is not None:
                        return asked
                elif key.fd in self._children:
                    self._ended(key.fd)
                else:
                    self._abandoned(key.fd)

    def _fork(self) -> tuple[dict[str, Any], list[int]] | None:
        connection, _ = self._listener.accept()
        message, streams, _, _ = socket.recv_fds(connection, _LARGEST, 3)
        child = os.fork()
        if not child:
            for _, other in self._children.values():
                other.close()
            for descriptor in self._children:
                os.close(descriptor)
            self._selector.close()
            self._listener.close()
            connection.close()
            return json.loads(message), streams
        for stream in streams:
            os.close(stream)
        descriptor = os.pidfd_open(child)
        self._children[descriptor] = child, connection
        self._selector.register(descriptor, selectors.EVENT_READ)
        self._selector.register(connection, selectors.EVENT_READ)
        return None

    def _ended(self, descriptor: int) -> None:
        child, connection = self._children.pop(descriptor)
        self._selector.unregister(descriptor)
        self._selector.unregister(connection)
        _, status = os.waitpid(child, 0)
        os.close(descriptor)
        with connection, contextlib.suppress(OSError):
            connection.send(b"%d" % status)

    def _abandoned(self, number: int) -> None:
        """Who asked has waited long enough."""
        for child, connection in self._children.values():
            if connection.fileno() == number:
                self._selector.unregister(connection)
                os.kill(child, signal.SIGKILL)


def become(asked: dict[str, Any], streams: list[int]) -> None:
    """What a new process would have been given."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.umask(asked["umask"])
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        # As the interpreter chose for this locale, unless it is told.
        told = "PYTHONIOENCODING" in asked["env"] and name != "stderr"
        errors = "strict" if told else getattr(sys, name).errors
        stream = open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115 - until the end
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv = ["backup-runner", *asked["words"]]


def main() -> None:
    load()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(b"\0" + sys.argv[1].encode())
        listener.listen(64)
        os.write(1, b"ready\n")
        asked = Forking(listener).run()
    if asked is not None:
        become(*asked)
        from backup_runner.__main__ import main

        main()


if __name__ == "__main__":
    main()
