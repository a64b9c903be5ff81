"""Reads a saved plan once, within limits, and keeps a copy: what was checked is what is shown and applied.

Others may change the file at any time, and it may be anything: a FIFO, a terabyte of zeros, 128 KB that
decompress to gigabytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from typing import IO

import orjson

from ..errors import PlanFileError
from ..foreign import describe
from ..replacing import unnamed
from . import file as planfile
from .spool import Marks, SpooledPlan
from .unpacking import lines_of

_CHUNK = 1 << 18


class _Copying(io.RawIOBase):
    """Reads a file and copies it; `digest` is that of everything read so far."""

    def __init__(self, source: int, copy: IO[bytes]) -> None:
        self._source = source
        self._copy = copy
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.read(self._source, len(buffer))
        self.digest.update(data)
        self._copy.write(data)
        buffer[: len(data)] = data
        return len(data)


def open_plan(path: str) -> SpooledPlan:
    """Read a saved plan, compressed or not, to its end: no part of a damaged plan may be carried out.

    `seal.vouch` checks who made it. Raises PlanFileError."""
    copy = None
    try:
        source = _open(path)
        try:
            copy = unnamed(tempfile.gettempdir())
            return _read(source, path, copy)
        finally:
            os.close(source)
    except BaseException as error:
        if copy is not None:
            copy.close()
        if isinstance(error, PlanFileError):
            raise PlanFileError(f"{path}: {error.message}", hint=error.hint) from None
        if isinstance(error, OSError):
            raise PlanFileError(f"cannot read the plan {path}: {describe(error)}") from None
        raise


def _open(path: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PlanFileError("not a regular file", hint="save the plan with `plan JOB --out FILE`")
    return fd


def _read(source: int, path: str, copy: IO[bytes]) -> SpooledPlan:
    copying = _Copying(source, copy)
    lines = lines_of(io.BufferedReader(copying, _CHUNK), os.fstat(source).st_size)
    first = next(lines, b"")
    header = planfile.header_from(first)
    closing = b""

    def watched() -> Iterator[bytes]:
        nonlocal closing
        yield first
        for line in lines:
            closing = line
            yield line

    for _ in planfile.read_actions(watched(), strange=True):
        pass
    copy.flush()
    fields = orjson.loads(closing)
    mac = fields.get("mac", "")
    return SpooledPlan(
        header, path, copy, Marks(copying.digest.hexdigest(), fields["sha256"], mac if isinstance(mac, str) else "")
    )
