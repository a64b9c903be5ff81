"""Reads the files of `skip_from`: gitignore rules that are kept in files of their own.

What is in them is never quoted in a message: a job file may name any file that its reader can open.
"""

from __future__ import annotations

import os
import stat

from ..foreign import describe
from . import rules
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .yamltext import MAX_BYTES, MAX_VALUES

_BOM = b"\xef\xbb\xbf"


def read_skip_files(document: Document, paths: dict[Loc, str], complaints: Complaints) -> None:
    """Fill `document.skip_files`; report files that cannot be read, without which too much would be backed up."""
    for loc, path in paths.items():
        if len(loc) < 2 or loc[-2] != "skip_from":
            continue
        try:
            data = _read(path)
            text = "is not a regular file" if data is None else ""
        except (OSError, ValueError) as error:
            data, text = None, f"cannot be read: {describe(error)}"
        if data is not None and len(data) > MAX_BYTES:
            text = f"is larger than {MAX_BYTES // 1024} KiB, the limit for skip_from"
        if data is None or text:
            hint = "a relative path starts at the job file's own folder"
            complaints.add(rules.BAD_PATH, document.span(loc), f"{quoted(path)} {text}", hint)
            continue
        lines = _lines(data)
        if len(lines) > MAX_VALUES:
            message = f"{quoted(path)} has more than {MAX_VALUES} rules, the limit for skip_from"
            complaints.add(rules.BAD_PATH, document.span(loc), message)
            continue
        document.skip_files[loc] = lines


def _read(path: str) -> bytes | None:
    """At most one byte more than is allowed; None for anything but a regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _lines(data: bytes) -> list[tuple[int, str]]:
    """The rules as git reads them, with their line numbers."""
    found = []
    for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
        rule = line.removesuffix(b"\r")
        if rule.strip() and not rule.startswith(b"#"):
            found.append((number, rule.decode("utf-8", "surrogateescape")))
    return found
