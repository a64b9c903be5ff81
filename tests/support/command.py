"""Runs `backup-runner` for a test: a process of its own, forked from one that has loaded the program already.

Loading takes half of the time of most commands. The command has its own arguments, environment, folder, streams and
umask, runs `__main__.main` and ends like any other process. What a warm process cannot stand for is started from
scratch: another user, an interpreter with options, a very large input.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_CHECKOUT = Path(__file__).parents[2]
_INPUT = 32 << 10
"""So many bytes fit into a pipe that nobody reads yet."""
_REQUEST = 128 << 10
_LOCALE = ("LANG", "LC_")
"""Variables that an interpreter reads when it starts; there is one that is warm for each locale."""
_HARMLESS = {"PYTHONIOENCODING", "PYTHONDONTWRITEBYTECODE"}
Locale = frozenset[tuple[str, str]]


def run_command(
    arguments: Sequence[str | bytes | os.PathLike[str]], *, cwd: str | os.PathLike[str], env: Mapping[str, str],
    stdin: bytes = b"", timeout: float = 120,
) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    """`backup-runner ARGUMENTS…` with these variables and no others. Raises TimeoutExpired."""
    words = [os.fsdecode(one) for one in arguments]
    request = json.dumps({"words": words, "cwd": os.fspath(cwd), "env": dict(env), "umask": _umask()}).encode()
    if len(request) > _REQUEST or len(stdin) > _INPUT or os.geteuid() != _OWNER or _is_special(env):
        return subprocess.run(
            [sys.executable, "-m", "backup_runner", *words],
            input=stdin, capture_output=True, cwd=cwd, env=dict(env), timeout=timeout, check=False,
        )  # fmt: skip
    with _sealed_pipe(stdin) as given, _memory() as out, _memory() as err:
        code = _warm(_locale(env)).ask(request, [given, out.fileno(), err.fileno()], timeout)
        texts = [_text(out), _text(err)]
    if code is None:
        raise subprocess.TimeoutExpired(words, timeout, *texts)
    return subprocess.CompletedProcess(words, code, *texts)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _locale(env: Mapping[str, str]) -> Locale:
    return frozenset((name, env[name]) for name in env if name.startswith(_LOCALE))


def _is_special(env: Mapping[str, str]) -> bool:
    """Whether the interpreter itself is told something."""
    return any(name.startswith("PYTHON") for name in env.keys() - _HARMLESS)


def _memory() -> IO[bytes]:
    return open(os.memfd_create("stream"), "w+b", buffering=0)


def _text(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _sealed_pipe(data: bytes) -> Iterator[int]:
    """The end of a pipe from which this can be read, and then the end of the file."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    try:
        yield reading
    finally:
        os.close(reading)


@dataclass
class _Warm:
    """The process that has loaded the program, and where it listens."""

    process: subprocess.Popen[bytes]
    address: bytes
    owner: int

    def ask(self, request: bytes, streams: Sequence[int], timeout: float) -> int | None:
        """The exit code of a command, negative for a signal; None if it was killed after `timeout` seconds."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(self.address)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _REQUEST)
            socket.send_fds(connection, [request], list(streams))
            connection.settimeout(timeout)
            try:
                answer = connection.recv(64)
            except TimeoutError:
                return None
        assert answer, "the warm process has ended"
        return os.waitstatus_to_exitcode(int(answer))


_OWNER = os.geteuid()
_running: dict[Locale, _Warm] = {}


def _warm(locale: Locale) -> _Warm:
    """One for each process that asks, and each locale; a forked child of it has none yet."""
    if locale not in _running or _running[locale].owner != os.getpid():
        address = b"\0backup-runner-" + secrets.token_hex(8).encode()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", address[1:].decode()],
            cwd=_CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"]} | dict(locale),
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        _running[locale] = _Warm(process, address, os.getpid())
    return _running[locale]
