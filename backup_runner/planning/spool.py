"""Plans in files: the nameless one that planning writes, and those that were saved for review."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from ..errors import PlanFileError
from ..foreign import describe
from ..records import Action
from ..replacing import replacing
from . import file as planfile
from .file import Header

_ZSTD = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 20


@dataclass(slots=True)
class Plan:
    """A plan: saved at `path`, or just made and in `spool`, a file without a name that no kill leaves behind."""

    header: Header
    path: str = ""
    spool: IO[bytes] | None = None

    def lines(self) -> Iterator[bytes]:
        """Raises PlanFileError if the file cannot be read."""
        try:
            if self.spool is not None:
                yield from _lines_of(self.spool.fileno())
                return
            with _open(self.path) as file:
                yield from file
        except OSError as error:
            raise PlanFileError(f"cannot read the plan {self.path}: {describe(error)}") from None
        except PlanFileError:
            raise
        except Exception as error:  # noqa: BLE001 - zstandard's errors have no common public base
            raise PlanFileError(
                f"cannot read the plan {self.path}: {describe(error)}", hint="make the plan again"
            ) from None

    def actions(self) -> Iterator[Action]:
        """Raises PlanFileError at the end if the file was cut or altered."""
        return planfile.read_actions(self.lines())

    def save(self, path: str) -> None:
        """Copy the plan to `path`; a name ending in .zst is compressed. Readable by the owner only."""
        with replacing(path) as raw:
            if path.endswith(".zst"):
                import zstandard

                with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as out:
                    for line in self.lines():
                        out.write(line)
            else:
                raw.writelines(self.lines())

    def close(self) -> None:
        if self.spool is not None:
            self.spool.close()


def open_plan(path: str) -> Plan:
    """A saved plan, compressed or not, read to its end: nothing of a damaged plan may be carried out.

    Raises PlanFileError."""
    first = _first_line(path)
    try:
        plan = Plan(planfile.header_from(first), path)
        for _ in plan.actions():
            pass
    except PlanFileError as error:
        raise PlanFileError(f"{path}: {error.message}", hint=error.hint) from None
    return plan


def _first_line(path: str) -> bytes:
    try:
        with _open(path) as file:
            return file.readline(1 << 26)
    except OSError as error:
        raise PlanFileError(f"cannot read the plan {path}: {describe(error)}") from None
    except Exception as error:  # noqa: BLE001 - zstandard's errors have no common public base
        raise PlanFileError(f"cannot read the plan {path}: {describe(error)}") from None


def _open(path: str) -> IO[bytes]:
    file = open(path, "rb")  # noqa: SIM115 - the caller closes it
    if file.read(len(_ZSTD)) == _ZSTD:
        import zstandard

        file.seek(0)
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
    file.seek(0)
    return file


def _lines_of(fd: int) -> Iterator[bytes]:
    """Lines from the start, whoever else reads the file at the same time."""
    at, rest = 0, b""
    while chunk := os.pread(fd, _CHUNK, at):
        at += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest
