"""Reads the lines of a saved plan within limits for lines, decompressed size and memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

from ..errors import PlanFileError
from ..foreign import describe

LONGEST: Final = 4 << 20
"""Maximum bytes of a line; the worst line of that size takes about 100 MiB when parsed."""
_ROOM, _RATIO = 8 << 20, 256
"""A file of n bytes may decompress to `_ROOM` + n * `_RATIO`; plans of very regular trees reach n * 190."""
_WINDOW = 32 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"


def lines_of(file: io.BufferedReader, size: int) -> Iterator[bytes]:
    """The lines of a plan file of `size` bytes, compressed or not. Raises PlanFileError, and OSError as it reads."""
    if file.peek(len(_ZSTD))[: len(_ZSTD)] != _ZSTD:
        yield from _bounded(file, size)
        return
    import zstandard

    unpacking = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(file, read_across_frames=True)
    try:
        yield from _bounded(io.BufferedReader(unpacking, 1 << 18), _ROOM + size * _RATIO)
    except zstandard.ZstdError as error:
        raise PlanFileError(f"the plan cannot be decompressed: {describe(error)}", hint="make the plan again") from None


def fits(size: int, unpacked: int) -> bool:
    """Whether a compressed file of this size may decompress to this much."""
    return unpacked <= _ROOM + size * _RATIO


def _bounded(file: io.BufferedReader, room: int) -> Iterator[bytes]:
    while line := file.readline(LONGEST + 1):
        check_length(line)
        room -= len(line)
        if room < 0:
            raise PlanFileError("the decompressed plan exceeds the size limit", hint="make the plan again")
        yield line


def check_length(line: bytes) -> None:
    """Raises PlanFileError for a line that no plan file may have."""
    if len(line) > LONGEST:
        raise PlanFileError(
            f"a line of the plan is longer than {LONGEST >> 20} MiB",
            hint="make the plan again; if the job has very long paths, apply it without saving a plan",
        )
