"""The log: everything down to debug level in a rotated file, and on the console on request. Never a key or file
content.

Other modules use `log`; without `set_up`, its lines are dropped.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime
from logging.handlers import RotatingFileHandler

from ..foreign import describe
from ..inert import inert, inert_json

ROTATE_BYTES = 5 << 20
KEPT = 3

log = logging.getLogger("backup_runner")
log.addHandler(logging.NullHandler())
log.propagate = False


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{_time(record)} {record.levelname:<7} [{record.process}] {_one_line(inert(record.getMessage()))}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "process": record.process,
            "message": record.getMessage().encode("utf-8", "backslashreplace").decode(),
        }
        return inert_json(json.dumps(fields, ensure_ascii=False).encode()).decode()


class _PrivateFile(RotatingFileHandler):
    """A log contains the names of all files, so nobody else may read it."""

    def _open(self):  # type: ignore[no-untyped-def]
        return open(os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name in logging
        """A full disk must not end a backup."""


def set_up(*, file: str | None, json_lines: bool, console: bool) -> str:
    """Open the log. Returns "", or why the file cannot be written, which is not fatal."""
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    form = _Json() if json_lines else _Text()
    problem = ""
    if file:
        try:
            os.makedirs(os.path.dirname(os.path.abspath(file)), mode=0o700, exist_ok=True)
            _add(_PrivateFile(file, maxBytes=ROTATE_BYTES, backupCount=KEPT, encoding="utf-8"), form)
        except OSError as error:
            problem = f"cannot write the log {file}: {describe(error)}"
    if console:
        _add(logging.StreamHandler(sys.stderr), form)
    log.setLevel(logging.DEBUG if log.handlers else logging.CRITICAL)
    log.addHandler(logging.NullHandler())
    return problem


def _add(handler: logging.Handler, form: logging.Formatter) -> None:
    handler.setFormatter(form)
    log.addHandler(handler)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _one_line(text: str) -> str:
    """No file name may forge a line of the log."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
