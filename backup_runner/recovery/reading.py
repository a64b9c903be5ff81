"""Reads records and full copies from a bucket, with all their rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from ..container import OpenedObject, open_whole, parse_name
from ..contents.again import twice
from ..errors import DamagedError
from ..records import StoredObject
from ..replacing import unnamed
from ..repository.heads import Head, checked_head, open_record
from ..repository.session import Session
from .confine import bounded

_CHUNK = 8 << 20
_AT_ONCE = 1 << 20
"""Up to this many bytes, a record costs one request instead of three."""


def format_of(head: Head) -> int:
    """The format of a record's or copy's rows."""
    return int(str(head.get("record", head.get("copy"))))


@contextmanager
def rows_of(session: Session, item: StoredObject) -> Iterator[tuple[Head, Iterator[bytes], str]]:
    """A record's or copy's header line, its other lines, and the hex SHA-256 of the object.

    The object goes through a temporary file, a long one only after header and trailer were verified, and is decrypted
    completely before the first line is returned, because lines go into the catalog. Raises ContainerError and
    CatalogError (also while lines are read), TargetError."""
    if item.size > _AT_ONCE:
        open_record(session.target, session.identity, item)
    with unnamed(session.job.work_directory) as file:
        opened, digest = twice(lambda: _fetched(session, item, file))
        length = opened.index.plaintext if opened.index else 0
        rows = bounded(opened.read(0, length))
        yield checked_head(opened, next(rows, b"")), rows, digest


def _fetched(session: Session, item: StoredObject, file: IO[bytes]) -> tuple[OpenedObject, str]:
    """The object, with every segment verified, and its hex SHA-256; its bytes are then in `file`."""
    object_id = parse_name(item.name)
    assert object_id is not None
    file.seek(0)
    file.truncate()
    digest, size = hashlib.sha256(), 0
    while size < item.size and (chunk := session.target.get(item.name, size, min(_CHUNK, item.size - size))):
        file.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    file.flush()
    fd = file.fileno()
    opened = open_whole(lambda offset, length: os.pread(fd, length, offset), size, object_id, session.identity)
    for damage in opened.check():
        raise DamagedError(damage)
    return opened, digest.hexdigest()
