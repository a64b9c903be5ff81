"""What may be shown of exceptions and texts from foreign code.

A parser quotes the line it fails at, a library the value it was given: a private key, a token, file contents. So no
text of a foreign exception is shown: `describe` gives what is known to be harmless, `trace` says where it happened.
`tests/messages/test_foreign.py` searches the source for code that does not use it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from types import TracebackType

from .errors import BackupRunnerError, OddFileError


class WorkerFaultError(Exception):
    """An error in a worker process: its description, place and trace, which are all that crosses the pipe."""

    def __init__(self, what: str, where: str, lines: list[str]) -> None:
        super().__init__(what, where, lines)
        self.what, self.where, self.lines = what, where, lines


_SQLITE = re.compile(
    r"database (table |schema )?is locked|database disk image is malformed|file is not a database|disk I/O error"
    r"|database or disk is full|attempt to write a readonly database|unable to open database file"
    r"|no such (table|column|index): [\w.]{1,80}"
    r"|(UNIQUE|NOT NULL|FOREIGN KEY) constraint failed(: [\w.]{1,80}(, [\w.]{1,80}){0,10})?"
)
"""SQLite's own words, with nothing but names of tables and columns."""
_SECRET = re.compile(
    r"-----BEGIN.*"
    r"|[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"
    r"|(?<![\w.])[A-Za-z0-9+/_-]{32,}={0,2}"
    r"|(?<=://)[^/\s@]{1,300}@",
    re.DOTALL,
)
"""A key in PEM, a token of three parts, long runs of base64 or hex, a user and password in a URL. OCIDs stay."""
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL | re.IGNORECASE)
_SHOWN = 300
_LINKS = 10


def describe(error: BaseException) -> str:
    """Why something failed, in words that cannot contain a secret: the system's for its errors, else the error's
    kind."""
    if isinstance(error, BackupRunnerError):
        return error.message
    if isinstance(error, WorkerFaultError):
        return error.what
    if isinstance(error, OddFileError):
        return str(error.strerror)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if name := getattr(error, "sqlite_errorname", None):
        found = _SQLITE.fullmatch(str(error))
        return found[0] if found else str(name)
    if isinstance(error, ImportError) and error.name:
        return f"{type(error).__name__}: {error.name}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not {error.encoding}"
    return type(error).__name__


def sifted(text: str) -> str:
    """A text that a server or a program sent, in one line: no markup, nothing that could be a key, not too long."""
    flat = " ".join(_SECRET.sub("…", _TAG.sub(" ", text)).split())
    return flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…"


def place(error: BaseException) -> str:
    """The innermost place in this program that the error came through, as `module.py:line`; "" if there is none."""
    if isinstance(error, WorkerFaultError):
        return error.where
    found = ""
    for path, line, _ in _frames(error.__traceback__):
        if (at := path.rfind("backup_runner/")) >= 0:
            found = f"{path[at + len('backup_runner/') :]}:{line}"
    return found


def trace(error: BaseException) -> list[str]:
    """Where an error and its causes come from, for reports of faults: files, lines and functions."""
    lines: list[str] = []
    link: BaseException | None = error
    for _ in range(_LINKS):
        if link is None:
            break
        lines += [f"{type(link).__name__}: {describe(link)}"]
        lines += [f"  {path}:{line} in {function}" for path, line, function in _frames(link.__traceback__)]
        lines += [f"  {one}" for one in link.lines] if isinstance(link, WorkerFaultError) else []
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return lines


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int, str]]:
    while traceback is not None:
        code = traceback.tb_frame.f_code
        yield code.co_filename, traceback.tb_lineno, code.co_name
        traceback = traceback.tb_next
