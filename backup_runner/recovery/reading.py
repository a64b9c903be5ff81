"""Records and full copies as they lie in a bucket: the header line alone, or all rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

import orjson

from ..container import open_object, parse_name
from ..container.keys import Keyring
from ..errors import DamagedError
from ..records import StoredObject
from ..replacing import unnamed
from ..repository.session import Session
from ..targets.base import Target

Head = dict[str, object]
"""The header line of a record or copy."""

_CHUNK = 8 << 20
_HEAD = 1 << 16


def head_of(target: Target, keyring: Keyring, item: StoredObject) -> Head:
    """The header line of a record or copy, by range reads. Raises ContainerError, TargetError."""
    object_id = parse_name(item.name)
    assert object_id is not None
    opened = open_object(lambda offset, length: target.get(item.name, offset, length), item.size, object_id, keyring)
    first = next(opened.read(0, min(opened.index.plaintext, _HEAD))) if opened.index else b""
    try:
        head: Head = orjson.loads(first.split(b"\n", 1)[0])
    except ValueError:
        raise opened.keys.damaged("has no header line") from None
    return head


def format_of(head: Head) -> int:
    """The format of a record's or copy's rows."""
    return int(str(head.get("record", head.get("copy"))))


@contextmanager
def rows_of(session: Session, item: StoredObject) -> Iterator[tuple[Head, Iterator[bytes], str]]:
    """A record's or copy's header line, its other lines, and the hex SHA-256 of the sealed object.

    Sealed bytes pass through a temporary file. Raises ContainerError (also while lines are read), TargetError."""
    object_id = parse_name(item.name)
    assert object_id is not None
    with unnamed(session.job.work_directory) as file:
        digest, size = hashlib.sha256(), 0
        while size < item.size and (chunk := session.target.get(item.name, size, _CHUNK)):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        file.flush()
        fd = file.fileno()
        opened = open_object(lambda offset, length: os.pread(fd, length, offset), size, object_id, session.keyring)
        if opened.damage or opened.index is None:
            raise DamagedError("; ".join(opened.damage))
        rows = _lines(opened.read(0, opened.index.plaintext))
        yield orjson.loads(next(rows)), rows, digest.hexdigest()


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest
