"""What main process and workers say to each other, and how it crosses a pipe: marshalled plain tuples.

Pickle spends more time on a thousand small tuples than a worker on reading the files.
"""

from __future__ import annotations

import marshal
import pickle
from typing import Any, NamedTuple

from ..records import NewObject
from ..source.reading import FileRead


class Batch(NamedTuple):
    """Files to read and hash."""

    number: int
    keys: list[bytes]


class Hashed(NamedTuple):
    """What became of a batch, file by file: read, too large by now (None), or (errno, text) of what failed."""

    number: int
    files: list[FileRead | tuple[int, str] | None]


class Keep(NamedTuple):
    """Which files of a batch are to be stored: their places in it."""

    number: int
    places: list[int]


class Flush(NamedTuple):
    """Put the pack that is open, and answer `Flushed` when everything is in the bucket."""


class Packed(NamedTuple):
    """A pack is in the bucket. `contents` are (batch, place, offset in the pack's plaintext)."""

    new: NewObject
    contents: list[tuple[int, int, int]]


class Flushed(NamedTuple):
    """Nothing is open or on its way any more."""


class Failed(NamedTuple):
    """The worker cannot go on."""

    error: BaseException


Message = Batch | Hashed | Keep | Flush | Packed | Flushed | Failed
_KINDS: tuple[type[Message], ...] = (Batch, Hashed, Keep, Flush, Packed, Flushed, Failed)


def to_bytes(message: Message) -> bytes:
    """Marshal takes plain tuples only, so named ones are unwrapped."""
    fields: tuple[Any, ...] = tuple(message)
    match message:
        case Hashed(number, files):
            fields = (number, [file if file is None else tuple(file) for file in files])
        case Packed(new, contents):
            fields = (tuple(new), contents)
        case Failed(error):
            fields = (pickle.dumps(error),)
    return marshal.dumps((_KINDS.index(type(message)), fields))


def from_bytes(data: bytes) -> Message:
    """The message again. Only for what our own processes wrote."""
    number, fields = marshal.loads(data)  # noqa: S302
    kind = _KINDS[number]
    if kind is Hashed:
        return Hashed(fields[0], [_file(file) for file in fields[1]])
    if kind is Packed:
        return Packed(NewObject(*fields[0]), fields[1])
    if kind is Failed:
        return Failed(pickle.loads(fields[0]))  # noqa: S301
    message: Message = kind(*fields)
    return message


def _file(fields: Any) -> FileRead | tuple[int, str] | None:
    # What failed has two fields, an error number and a text.
    return FileRead._make(fields) if fields and len(fields) > 2 else fields
