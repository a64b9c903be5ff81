"""Values that several layers share: entries, contents, objects, versions, actions.

Paths are bytes throughout. A *key* is a stored path: the absolute path less `relative_path` and the
leading "/". Directories end in b"/" (the relative root itself is b""), so that comparing keys as
bytes is the order of a depth-first walk. The path on disk is `base + b"/" + key`.

Contents: what the storing half hands to the catalog, one report (`applying.messages`) a pack, in one transaction.

- A content is *placed* (its bytes are at one offset of one object; length = size) or *composed* (`Composed`: rows in
  order, each a placed content or a run of zeros). Composed contents contain no other composed contents. What suite 1
  stored in several extents stays as it is, in a table of its own.
- Catalog rows of a composed content: `(content, at, piece)`: from byte `at` on, the bytes of a placed content. Zeros
  have no row: what no piece covers is a hole, so a hole of a terabyte costs nothing. Zero bytes that were read (a whole
  piece of them) are one too. In the packed list a run of zeros is one row; runs that meet are joined (`pack_pieces`).
- Between processes a list of pieces is packed: 40 bytes a row, `BLAKE3 (32) + length (u64, little-endian)`, the
  BLAKE3 of a run of zeros being 32 zero bytes (`pack_pieces`, `unpack_pieces`).
- `md5` of a piece is None. `md5` of a composed content is None too where more zeros were skipped than could be hashed
  in reasonable time (`policy.skipped_zeros`); its `blake3` then is `pieces_digest(packed)`, not that of the bytes.
  With an MD5, `blake3` and `md5` are of the whole bytes as ever.
- A digest says nothing about which of both a content is: (size, blake3) is the identity of a content, placed or
  composed. A file whose list would be one piece alone is a placed content (with its MD5, if the piece is not in the
  catalog without).
- Index of a pack: a composed content has a line in the pack that is open when its file is complete, with `size`,
  `blake3`, `md5` (left out if None), `path`, `mode`, `mtime_ns`, no `offset` and `length`, and `"pieces": [[blake3
  hex, size], ...]`, a run of zeros being `[null, length]`. Its pieces are in this pack or in any other one. A placed
  line without `path` is a piece.
- `known_pieces(cat, store_id, digests) -> {blake3: (id, size)}` finds placed contents that a version may refer to,
  `usable_contents` finds files by (size, blake3), placed or composed; a composed one is usable if all its pieces are.
- `Recorder.record_pack(NewObject, [Placed], anew=...) -> ids` writes an object and what is in it: a content that is
  there already is moved to its new place if it was marked or lost, or with `anew`; a piece that is now a file as well
  gets its MD5. `Recorder.put_composed([Composed], object_id) -> ids` resolves pieces by digest; all of them are in the
  catalog by then, which the caller saw to; `object_id` is the pack whose index has the lists. Both run in the caller's
  transaction (`Catalog.batch` or `Catalog.transaction`).
- The store's `seed` (32 bytes) sets the cutter: `catalog.seeds.seed_of(lineage)`, and in the header line of each record
  and copy ("seed", hex), which wins. It never changes within a lineage.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from blake3 import blake3

from .reasons import Reason


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


OUTPUT_DEV = -1
"""`dev` of an entry that stands for a program's output, of which nothing is known before it runs."""
EntryFields = tuple[bytes, int, int, int, int, int, int, int, int, int, int, int]
"""The fields of an `Entry` without their names, for where a million of them are made."""


BIRTH_TIME = b"birth_time"
"""Name of the birth time among the extended attributes of a version; its value is nanoseconds as decimal text."""


class Flag:
    """Bits of a version's `flags`."""

    STALE = 1
    """The file could not be read at the last apply; this is its previous version."""
    SPARSE = 2
    """The file had holes; long runs of zeros are restored as holes."""
    MOVED = 4
    """The file changed while it was read, twice; it is stored as it was read."""
    BY_MD5 = 8
    """Considered unchanged because its MD5 equals that of a content imported from another tool."""
    NO_ATTRIBUTES = 16
    """The extended attributes could not be read; there may be more than are stored."""
    OUTPUT = 32
    """The bytes are what a program printed; there is no such file on disk."""

    CHATTR_SHIFT = 8
    """The bits from here on are the file's flags as chattr(1) has them (FS_IOC_GETFLAGS)."""


class CatalogRow(NamedTuple):
    """A path as the catalog has it now. The first eight fields are those of `Entry`.

    Larger than usual, because it is a row of a query, and begins like an `Entry`.
    """

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


MAX_OWNER = (1 << 32) - 2
"""The highest number of a user or group; for system calls, the next one means "no change"."""


def whole_number(text: str, most: int) -> int | None:
    """The number that ASCII digits mean; None for other text, and above `most`."""
    digits = text.lstrip("0") or text[:1]
    if not (text.isascii() and text.isdigit()) or len(digits) > len(str(most)):
        return None
    return found if (found := int(digits)) <= most else None


class Problem(NamedTuple):
    """A path that is not backed up, or not completely, and why."""

    key: bytes
    kind: str
    """`unreadable`, `vanished`, `changed`, `special` (socket, fifo, device: no content), `name-too-long`, …"""
    message: str


class Digests(NamedTuple):
    """What identifies a content: its size and BLAKE3; its MD5 is for people and other tools."""

    size: int
    blake3: bytes
    md5: bytes


_ZEROS = bytes(32)
_PIECE = struct.Struct("<32sQ")


class Placed(NamedTuple):
    """A new placed content: `size` bytes at `offset` of the plaintext of an object. `md5` is None for a piece."""

    offset: int
    size: int
    blake3: bytes
    md5: bytes | None


class Composed(NamedTuple):
    """A new composed content. `pieces` is packed; with `md5` None, `blake3` is `pieces_digest(pieces)`."""

    size: int
    blake3: bytes
    md5: bytes | None
    pieces: bytes


class Piece(NamedTuple):
    """A row of a composed content; `blake3` None: `size` zero bytes."""

    blake3: bytes | None
    size: int


class PieceList(Collection[Piece]):
    """Pieces in order, 40 bytes of memory each; adjacent runs of zeros become one row, empty ones none."""

    def __init__(self, packed: bytes = b"") -> None:
        self._packed = bytearray(packed)

    def add(self, strong: bytes | None, size: int) -> None:
        if strong is None and self._packed:
            last, before = _PIECE.unpack_from(self._packed, len(self._packed) - _PIECE.size)
            if last == _ZEROS:
                _PIECE.pack_into(self._packed, len(self._packed) - _PIECE.size, _ZEROS, before + size)
                return
        if strong is not None or size:
            self._packed += _PIECE.pack(strong or _ZEROS, size)

    def packed(self) -> bytes:
        """The list in the form that is sent and hashed."""
        return bytes(self._packed)

    def __len__(self) -> int:
        return len(self._packed) // _PIECE.size

    def __iter__(self) -> Iterator[Piece]:
        for strong, size in _PIECE.iter_unpack(self._packed):
            yield Piece(None if strong == _ZEROS else strong, size)

    def __contains__(self, item: object) -> bool:
        return any(piece == item for piece in self)


def pack_pieces(pieces: Iterable[Piece]) -> bytes:
    """The list in the form that is sent and hashed."""
    found = PieceList()
    for strong, size in pieces:
        found.add(strong, size)
    return found.packed()


def unpack_pieces(packed: bytes) -> PieceList:
    return PieceList(packed)


def pieces_digest(packed: bytes) -> bytes:
    """The identity of a content whose bytes were not all hashed: BLAKE3 of its list, in its own derivation context."""
    return blake3(packed, derive_key_context="backup-runner/pieces").digest()


@dataclass(frozen=True, slots=True)
class NewObject:
    """A stored object: `checksum` and `etag` as reported by the service, `parts` sizes joined by commas or None.

    `segments` are the sealed lengths of its data segments in bytes, packed."""

    name: str
    size: int
    plain: int
    checksum: str
    etag: str
    parts: str | None
    header: bytes
    segments: bytes
    tier: str
    created_ns: int


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
    """As computed by the service: base64 MD5, `<base64>-N` for a multipart upload, or "" if it has none."""
    etag: str
    created: float
    """Seconds since the epoch."""
    tier: str
    """The storage tier, by the service's own name; `Standard` if it has one only."""
    archival_state: str
    """"" (readable), Archived, Restoring or Restored."""

    @property
    def cold(self) -> bool:
        """Whether it cannot be read now, because it is in an archive tier and is not thawed."""
        return self.archival_state in ("Archived", "Restoring")


class ActionKind(StrEnum):
    """What a plan does to one path, snapshot, object or recipient."""

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
    ERASE = "erase"
    DELETE = "delete"
    KEY = "key"


class Holder(NamedTuple):
    """Somebody who comes (`add`) or goes (`remove`) as one who can open. `fingerprint` is "" if it is not known yet."""

    change: str
    name: str
    fingerprint: str


@dataclass(slots=True)
class Action:
    """One line of a plan. Which fields are set depends on `kind`; sizes are bytes, times nanoseconds.

    Path actions carry what the scan saw of the file (`entry_kind`, `size`, `mtime_ns`, `ctime_ns`), and the
    digests where planning had to know them. `leader` is the key of the file's first hard link. `size` of forget,
    delete, adopt and repack is the bytes freed, taken over or moved.

    Larger than usual, because it is a line of the plan file.
    """

    kind: ActionKind
    reason: Reason
    key: bytes = b""
    entry_kind: int = Kind.FILE
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    blake3: bytes | None = None
    content_id: int | None = None
    leader: bytes | None = None
    forced: bool = False
    """Store the bytes again even if they are stored already (`overwrite: always`, repair)."""
    snapshot_id: int | None = None
    object_name: str = ""
    holder: Holder | None = None

    @property
    def unread(self) -> bool:
        """Whether it is a large file that may have changed and was not read for the plan; it had `content_id`."""
        changes = self.kind is ActionKind.UPDATE and self.entry_kind == Kind.FILE and not self.forced
        return changes and self.blake3 is None and self.content_id is not None
