"""Files of a directory target: names, reading and writing, and OSErrors turned into errors that help."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

from ...errors import AccessDenied, ObjectMissing, TargetError, TransientError
from ...foreign import describe
from ...records import StoredObject
from ..base import Buffer

TEMPORARY = ".tmp"
UPLOADS = ".uploads"
LOCK = ".lock"
PRIVATE = frozenset({TEMPORARY, UPLOADS, LOCK})
MAX_PARTS = 32
"""Components of a name: ours have three; folders of others may be nested without limit."""

_NAME = re.compile(r"[A-Za-z0-9._/-]{1,1024}\Z")
_PASSING = frozenset({errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EINTR})
_HINTS = {
    errno.ENOSPC: ("no space left", "free space on that disk, or prune old snapshots, and run again"),
    errno.EDQUOT: ("the disk quota is used up", "free space or raise the quota, and run again"),
    errno.EROFS: ("the file system is mounted read-only", "mount it writable, and run again"),
    errno.EIO: ("the disk reports an input/output error", "check the disk and its cable before you continue"),
    errno.ENAMETOOLONG: ("a name is too long for this file system", "use a shorter target.path"),
    errno.ENOTDIR: ("a file is in the place of a folder", "move it away, or use another target.path"),
    errno.EFBIG: ("the file is too large for this file system", "use another file system for target.path"),
}


def translate(error: OSError, doing: str, path: str) -> TargetError:
    """The TargetError for an OSError."""
    if error.errno == errno.ENOENT:
        return ObjectMissing(f"{doing}: {path} does not exist")
    if error.errno in (errno.EACCES, errno.EPERM):
        return AccessDenied(
            f"{doing}: permission denied for {path}",
            hint="check owner and mode of that path and its parent folders",
        )
    if error.errno in _PASSING:
        return TransientError(
            f"{doing}: {os.strerror(error.errno or 0)} for {path}", hint="check that the disk is connected"
        )
    what, hint = _HINTS.get(error.errno or 0, (describe(error), None))
    return TargetError(f"{doing}: {what} for {path}", hint=hint)


@contextlib.contextmanager
def translated(doing: str, path: str) -> Iterator[None]:
    """Turn OSErrors of the block into TargetErrors."""
    try:
        yield
    except OSError as error:
        raise translate(error, doing, path) from error


def check_name(name: str) -> None:
    """Reject names that violate the contract or could lead out of the target."""
    if not may_be_named(name):
        raise TargetError(f"{name!r} is not a valid object name in a directory target")


def may_be_named(name: str) -> bool:
    pieces = name.split("/")
    good = _NAME.match(name) is not None and not any(piece in ("", ".", "..") for piece in pieces)
    return good and pieces[0] not in PRIVATE and len(pieces) <= MAX_PARTS


def write_all(descriptor: int, data: Buffer, offset: int) -> None:
    """Write all of `data` at `offset`; pwrite may stop early."""
    rest = memoryview(data).cast("B")
    while len(rest):
        done = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[done:], offset + done


def read_range(descriptor: int, offset: int, length: int) -> bytes:
    """`length` bytes from `offset`, fewer only at the end of the file."""
    first = os.pread(descriptor, length, offset)
    if len(first) == length or not first:
        return first
    pieces = [first]
    have = len(first)
    while have < length and (piece := os.pread(descriptor, length - have, offset + have)):
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)


def etag_of(status: os.stat_result) -> str:
    """The file's etag; changes whenever the file is written or replaced."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def stored(name: str, status: os.stat_result) -> StoredObject:
    return StoredObject(name, status.st_size, "", etag_of(status), status.st_mtime, "Standard", "")
