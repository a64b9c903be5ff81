"""The index and the trailer: what an object contains and where (docs/format.md, Index and Trailer)."""

from __future__ import annotations

import base64
import hmac
import os
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from ..foreign import describe
from .header import SealKeys
from .keys import Random
from .segment import MAC_LENGTH, Buffer, Stream, open_segment, seal_segment, sealed_length
from .suite2.lineage import Signer

FORMAT = "backup-runner-index"
VERSIONS = {1: 1, 2: 2}
"""The version of the index by the suite of its object."""
MAGIC = b"BKRTRAIL"
_FIELDS = struct.Struct(">8sQQIIQQQQ")
TRAILER_LENGTH = _FIELDS.size + MAC_LENGTH
TAIL = 256 << 10
"""This many bytes at the end contain trailer and index of most objects."""


class IndexEntry(NamedTuple):
    """One content, or a stretch of one: `length` bytes at `offset` of the data stream.

    `at` is where the stretch starts in the content; `group` (16 bytes) is shared by the stretches of a content
    that spans objects. Hashes are those of the whole content; only a stretch that is not the last may lack them.
    A composed content has `pieces` instead of a place: BLAKE3 (None: zero bytes) and size of each, in order.
    """

    size: int
    md5: bytes | None
    blake3: bytes | None
    offset: int
    length: int
    at: int = 0
    group: bytes | None = None
    path: bytes | None = None
    mode: int | None = None
    mtime_ns: int | None = None
    pieces: Collection[tuple[bytes | None, int]] | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """`segments` are the sealed lengths of the data segments, `plaintext` the length of the data stream.

    Suite 2 only: `macs` are those of the data segments, one after the other; `signer` who signed the object."""

    plaintext: int
    segments: Sequence[int]
    entries: Sequence[IndexEntry] = ()
    macs: bytes = b""
    signer: Signer | None = None


class Trailer(NamedTuple):
    """Where the parts of an object are; lengths in bytes."""

    data_length: int
    data_sealed: int
    data_segments: int
    index_segments: int
    index_length: int
    index_sealed: int
    header_length: int
    total: int

    def seal(self, keys: SealKeys) -> bytes:
        """The last bytes of the object."""
        fields = _FIELDS.pack(MAGIC, *self)
        return fields + hmac.digest(keys.trailer_key, keys.header_digest + fields, "sha256")

    @classmethod
    def parse(cls, keys: SealKeys, tail: Buffer, size: int) -> Trailer:
        """The trailer at the end of `tail`, the last bytes of an object of `size` bytes. Raises DamagedError."""
        raw = bytes(tail[-TRAILER_LENGTH:])
        if len(raw) < TRAILER_LENGTH or not raw.startswith(MAGIC):
            raise keys.damaged("does not end with a trailer: truncated, or followed by other data")
        fields, mac = raw[: _FIELDS.size], raw[_FIELDS.size :]
        if not hmac.compare_digest(hmac.digest(keys.trailer_key, keys.header_digest + fields, "sha256"), mac):
            raise keys.damaged("trailer modified, or from another object")
        trailer = cls(*_FIELDS.unpack(fields)[1:])
        if trailer.total != size or trailer.header_length != keys.header_length:
            raise keys.damaged(f"has {size} bytes, but was sealed with {trailer.total}")
        return trailer


def seal_index(keys: SealKeys, index: Index, *, random: Random = os.urandom) -> bytes:
    """Everything after the data segments: index segments and trailer."""
    plain = encode_index(keys, index)
    segments = seal_stream(keys, Stream.INDEX, plain, random=random)
    sealed = b"".join(segments)
    data_sealed = sum(index.segments)
    total = keys.header_length + data_sealed + len(sealed) + TRAILER_LENGTH
    trailer = Trailer(
        data_length=index.plaintext,
        data_sealed=data_sealed,
        data_segments=len(index.segments),
        index_segments=len(segments),
        index_length=len(plain),
        index_sealed=len(sealed),
        header_length=keys.header_length,
        total=total,
    )
    return sealed + trailer.seal(keys)


def read_index(keys: SealKeys, tail: Buffer, size: int) -> Index | int:
    """The index from the last bytes of an object of `size` bytes.

    If `tail` is too short, returns the number of last bytes that is enough. Raises DamagedError.
    """
    trailer = Trailer.parse(keys, tail, size)
    wanted = trailer.index_sealed + TRAILER_LENGTH
    if len(tail) < wanted:
        return wanted
    start = len(tail) - wanted
    sealed = memoryview(tail)[start : start + trailer.index_sealed]
    plain, count = open_stream(keys, Stream.INDEX, sealed)
    index = decode_index(keys, plain)
    stated = (trailer.data_length, trailer.data_sealed, trailer.data_segments)
    if stated != (index.plaintext, sum(index.segments), len(index.segments)):
        raise keys.damaged("index and trailer disagree")
    if (trailer.index_length, trailer.index_segments) != (len(plain), count):
        raise keys.damaged("index and trailer disagree")
    return index


def seal_stream(keys: SealKeys, stream: Stream, plain: Buffer, *, random: Random = os.urandom) -> list[bytes]:
    """All segments of a stream that is in memory."""
    view = memoryview(plain)
    starts = range(0, max(1, len(view)), keys.segment_size)
    return [
        seal_segment(
            keys,
            stream,
            number,
            view[start : start + keys.segment_size],
            last=number == len(starts) - 1,
            random=random,
        )
        for number, start in enumerate(starts)
    ]


def open_stream(keys: SealKeys, stream: Stream, sealed: Buffer) -> tuple[bytes, int]:
    """Plaintext and number of segments of a whole sealed stream, by the lengths in its segments.

    Raises DamagedError if a segment is damaged, or if anything follows the last.
    """
    view = memoryview(sealed)
    parts: list[bytes] = []
    at = 0
    last = False
    while not last:
        length, last = sealed_length(keys, view[at:])
        parts.append(open_segment(keys, stream, len(parts), view[at : at + length], last=last))
        at += length
    if at != len(view):
        raise keys.damaged(f"{stream.name.lower()} segments are followed by other data")
    return b"".join(parts), len(parts)


def encode_index(keys: SealKeys, index: Index) -> bytes:
    """The index as JSON Lines."""
    head: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSIONS[keys.suite],
        "kind": keys.object_id.kind.label,
        "plaintext": index.plaintext,
        "contents": len(index.entries),
        "segments": list(index.segments),
    }
    if index.macs:
        head["macs"] = base64.b64encode(index.macs).decode("ascii")
    lines = [orjson.dumps(line) for line in (head, *map(_encode_entry, index.entries))]
    lines.append(b"")
    return b"\n".join(lines)


def decode_index(keys: SealKeys, plain: bytes) -> Index:
    """The inverse of `encode_index`. Raises DamagedError for invalid values."""
    try:
        head, *lines = (orjson.loads(line) for line in plain.splitlines())
        if (head["format"], head["version"]) != (FORMAT, VERSIONS[keys.suite]):
            raise keys.damaged("index cannot be read: another format")
        entries = [_decode_entry(line) for line in lines]
        macs = base64.b64decode(head.get("macs", ""), validate=True)
        index = Index(int(head["plaintext"]), [int(length) for length in head["segments"]], entries, macs)
        if head["kind"] != keys.object_id.kind.label or head["contents"] != len(entries):
            raise keys.damaged("index cannot be read: kind or number of contents")
        if len(index.segments) != max(1, -(-index.plaintext // keys.segment_size)):
            raise keys.damaged("index cannot be read: number of segments")
        if any(not _fits(entry, index.plaintext) for entry in entries):
            raise keys.damaged("index cannot be read: content out of bounds")
    except (ValueError, KeyError, TypeError) as error:
        raise keys.damaged(f"index cannot be read: {describe(error)}") from error
    return index


def _fits(entry: IndexEntry, plaintext: int) -> bool:
    if entry.pieces is not None and not _add_up(entry):
        return False
    numbers = (entry.size, entry.offset, entry.length, entry.at)
    return min(numbers) >= 0 and entry.offset + entry.length <= plaintext


def _add_up(entry: IndexEntry) -> bool:
    pieces = entry.pieces or ()
    whole = all(size >= 0 and (digest is None or len(digest) == 32) for digest, size in pieces)
    return whole and sum(size for _, size in pieces) == entry.size


def _encode_entry(entry: IndexEntry) -> dict[str, Any]:
    size, md5, strong, offset, length, at, group, path, mode, mtime_ns, pieces = entry
    line: dict[str, Any] = {"size": size}
    if md5:
        line["md5"] = md5.hex()
    if strong:
        line["blake3"] = strong.hex()
    if pieces is None:
        line["offset"] = offset
        line["length"] = length
    else:
        line["pieces"] = [[digest.hex() if digest else None, size] for digest, size in pieces]
    if at:
        line["at"] = at
    if group is not None:
        line["group"] = group.hex()
    if path is not None:
        try:
            line["path"] = path.decode("utf-8")
        except UnicodeDecodeError:
            line["path_base64"] = base64.b64encode(path).decode("ascii")
    if mode is not None:
        line["mode"] = mode
    if mtime_ns is not None:
        line["mtime_ns"] = mtime_ns
    return line


def _decode_entry(line: dict[str, Any]) -> IndexEntry:
    pieces = line.get("pieces")
    if pieces is not None and not isinstance(pieces, list):
        raise ValueError("pieces")
    return IndexEntry(
        size=line["size"],
        md5=_unhex(line.get("md5")),
        blake3=_unhex(line.get("blake3")),
        offset=line["offset"] if pieces is None else 0,
        length=line["length"] if pieces is None else 0,
        at=line.get("at", 0),
        group=_unhex(line.get("group")),
        path=_decode_path(line),
        mode=line.get("mode"),
        mtime_ns=line.get("mtime_ns"),
        pieces=None if pieces is None else [(_unhex(digest), int(size)) for digest, size in pieces],
    )


def _decode_path(line: dict[str, Any]) -> bytes | None:
    if "path_base64" in line:
        return base64.b64decode(line["path_base64"], validate=True)
    return str(line["path"]).encode() if "path" in line else None


def _unhex(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
