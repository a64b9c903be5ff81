"""Values that several layers share: entries, contents, objects, versions, actions.

Paths are bytes throughout. A *key* is a stored path: the absolute path less `relative_path` and the
leading "/". Directories end in b"/" (the relative root itself is b""), so that comparing keys as
bytes is the order of a depth-first walk. The path on disk is `base + b"/" + key`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What a path is; the numbers are stored in catalogs and records and never change."""

    FILE = 0
    DIRECTORY = 1
    SYMLINK = 2


class Entry(NamedTuple):
    """One thing found by a scan. Times are nanoseconds since the epoch, sizes bytes.

    `size` is 0 for directories and symlinks. `links` is st_nlink, `blocks` st_blocks (512 bytes each).
    The first eight fields are those a catalog row starts with, so that "unchanged" is one comparison.
    """

    key: bytes
    kind: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    dev: int
    ino: int
    links: int
    blocks: int


class Problem(NamedTuple):
    """Something that is not backed up as it should be, or not at all, and why."""

    key: bytes
    kind: str
    """`unreadable`, `vanished`, `changed`, `special` (socket, fifo, device), `name-too-long`, …"""
    message: str


class Digests(NamedTuple):
    """What identifies a content: its size and BLAKE3; its MD5 is for people and other tools."""

    size: int
    blake3: bytes
    md5: bytes


class Extent(NamedTuple):
    """A stretch of a content: `length` bytes at `offset` of the plaintext stream of an object."""

    object_id: int
    offset: int
    length: int


class StoredObject(NamedTuple):
    """An object as a target's listing shows it. `name` excludes the target's prefix."""

    name: str
    size: int
    checksum: str
    """What the service computed: base64 MD5, `<base64>-N` for a multipart upload, or "" if it says none."""
    etag: str
    created: float
    """Seconds since the epoch."""
    tier: str
    """Standard, InfrequentAccess or Archive."""
    archival_state: str
    """"" (readable), Archived, Restoring or Restored."""


class ActionKind(StrEnum):
    """What a plan does to one path, snapshot or object."""

    UPLOAD = "upload"
    UPDATE = "update"
    LINK = "link"
    TOUCH = "touch"
    HOLD = "hold"
    REMOVE = "remove"
    REPAIR = "repair"
    ADOPT = "adopt"
    REPACK = "repack"
    FORGET = "forget"
    DELETE = "delete"


@dataclass(slots=True)
class Counts:
    """Totals of a plan or a run, by action name."""

    actions: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def add(self, action: str, size: int = 0) -> None:
        self.actions[action] = self.actions.get(action, 0) + 1
        self.bytes[action] = self.bytes.get(action, 0) + size
