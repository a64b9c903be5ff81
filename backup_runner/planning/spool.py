"""Plans in files: the unnamed one that planning writes, and copies of saved ones."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from ..errors import PlanFileError
from ..foreign import describe
from ..records import Action
from ..replacing import replacing
from . import file as planfile
from .file import Header
from .seal import sealed
from .unpacking import check_length, fits, lines_of

_CHUNK = 1 << 20


class Marks(NamedTuple):
    """What identifies a saved plan: hex SHA-256 of its file and of its lines, and its MAC."""

    file: str
    body: str
    mac: str


@dataclass(slots=True)
class SpooledPlan:
    """A plan in a file without a name, which a kill cannot leave behind: just made, or copied from `path` with
    `marks`."""

    header: Header
    path: str = ""
    spool: IO[bytes] | None = None
    marks: Marks | None = None

    def lines(self) -> Iterator[bytes]:
        """Raises PlanFileError if the file cannot be read."""
        if self.spool is None:
            raise PlanFileError("this plan was already closed")
        fd = self.spool.fileno()
        try:
            if self.marks is None:
                yield from _lines_of(fd)
            else:
                yield from lines_of(io.BufferedReader(_FromStart(fd), _CHUNK), os.fstat(fd).st_size)
        except OSError as error:
            raise PlanFileError(f"cannot read the plan {self.path}: {describe(error)}") from None

    def actions(self) -> Iterator[Action]:
        """Raises PlanFileError at the end if the file was cut or modified."""
        return planfile.read_actions(self.lines())

    def save(self, path: str, secret: bytes | None = None) -> str:
        """Copy the plan to `path`, signed with a secret if there is one, and return the hex SHA-256 of the file.

        A name ending in .zst is compressed. Readable by the owner only. Raises OSError, and PlanFileError for a plan
        that could not be read again."""
        with replacing(path) as raw:
            if path.endswith(".zst"):
                import zstandard

                with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as out:
                    whole = sum(out.write(line) for line in self._checked(secret))
                if not fits(raw.tell(), whole):
                    raise PlanFileError(
                        "the plan compresses beyond the limit for reading it again", hint="save it without .zst"
                    )
            else:
                raw.writelines(self._checked(secret))
            raw.seek(0)
            digest = hashlib.sha256()
            while chunk := raw.read(_CHUNK):
                digest.update(chunk)
            return digest.hexdigest()

    def _checked(self, secret: bytes | None) -> Iterator[bytes]:
        for line in sealed(self.lines(), secret) if secret else self.lines():
            check_length(line)
            yield line

    def close(self) -> None:
        if self.spool is not None:
            self.spool.close()


class _FromStart(io.RawIOBase):
    """Reads a file from its start, independently of other readers."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._fd, len(buffer), self._at)
        self._at += len(data)
        buffer[: len(data)] = data
        return len(data)


def _lines_of(fd: int) -> Iterator[bytes]:
    """Lines from the start, independently of other readers."""
    at, rest = 0, b""
    while chunk := os.pread(fd, _CHUNK, at):
        at += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest
