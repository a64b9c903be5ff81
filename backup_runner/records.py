"""Values that several layers share: entries, contents, objects, versions, actions.

Paths are bytes throughout. A *key* is a stored path: the absolute path less `relative_path` and the
leading "/". Directories end in b"/" (the relative root itself is b""), so that comparing keys as
bytes is the order of a depth-first walk. The path on disk is `base + b"/" + key`.
"""

from __future__ import annotations

from dataclasses import dataclass
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


EntryFields = tuple[bytes, int, int, int, int, int, int, int, int, int, int, int]
"""The fields of an `Entry` without their names, for where a million of them are made."""


class Flag:
    """Bits of a version's `flags`."""

    STALE = 1
    """The file could not be read at the last apply; this is what it was before."""
    SPARSE = 2
    """The file had holes; long runs of zeros become holes when it is restored."""
    MOVED = 4
    """The file changed while it was read, twice; what was read is stored."""
    BY_MD5 = 8
    """Taken for unchanged because its MD5 is that of a content imported from another tool."""
    NO_ATTRIBUTES = 16
    """The extended attributes could not be read; there may be more than are stored."""

    CHATTR_SHIFT = 8
    """The bits from here on are the file's flags as chattr(1) has them (FS_IOC_GETFLAGS)."""


class CatalogRow(NamedTuple):
    """A path as the catalog has it now. The first eight fields are those of `Entry`."""

    key: bytes
    kind: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    path_id: int
    content_id: int | None
    flags: int
    leader: int | None
    """Path id of the first of the hard links that share this file; None without other links."""
    held: tuple[int, int, int] | None
    """(size, mtime_ns, ctime_ns) of a newer file that `overwrite: never` held back."""


class Problem(NamedTuple):
    """Something that is not backed up as it should be, or not at all, and why."""

    key: bytes
    kind: str
    """`unreadable`, `vanished`, `changed`, `special` (socket, fifo, device: no content), `name-too-long`, …"""
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
class Action:
    """One line of a plan. Which fields are set depends on `kind`; sizes are bytes, times nanoseconds.

    Path actions carry what the scan saw of the file (`entry_kind`, `size`, `mtime_ns`, `ctime_ns`), and the
    digests where planning had to know them. `leader` is the key of the file's first hard link. `size` of forget,
    delete, adopt and repack is the bytes freed, taken over or moved.
    """

    kind: ActionKind
    why: str
    key: bytes = b""
    entry_kind: int = Kind.FILE
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    blake3: bytes | None = None
    content_id: int | None = None
    leader: bytes | None = None
    forced: bool = False
    """Store the bytes anew even if they are stored already (`overwrite: always`, repair)."""
    snapshot_id: int | None = None
    object_name: str = ""
