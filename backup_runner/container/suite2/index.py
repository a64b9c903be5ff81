"""The tail of a suite 2 object: index segments, padding, trailer (docs/format.md, Suite 2, Index)."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..header import SealKeys
from ..index import Index, decode_index, encode_index
from ..keys import Random
from ..segment import MAC_LENGTH, Stream, sealed_bound
from .header import ObjectKeys
from .lineage import Lineage
from .padding import padded
from .primitives import Buffer, keystream, sha256
from .segment import START, open_segment, seal_segment_into, sealed_length
from .trailer import MAX_INDEX, TRAILER_LENGTH, Lengths, open_trailer, seal_trailer


class Tail(NamedTuple):
    """Everything after the data segments, and how many of its bytes are padding."""

    data: bytes
    padding: int


def seal_tail(keys: ObjectKeys, lineage: Lineage, index: Index, *, random: Random = os.urandom) -> Tail:
    """The end of an object, the lengths and MACs of whose data segments `index` has."""
    plain = encode_index(keys, index)
    if len(plain) > MAX_INDEX:
        raise ValueError("too many contents for one object")
    segments = seal_stream(keys, Stream.INDEX, plain, random=random)
    sealed, data_sealed = sum(map(len, segments)), sum(index.segments)
    bare = keys.header_length + data_sealed + sealed + TRAILER_LENGTH
    total = padded(bare)
    lengths = Lengths(
        data_length=index.plaintext,
        data_sealed=data_sealed,
        data_segments=len(index.segments),
        index_segments=len(segments),
        index_length=len(plain),
        index_sealed=sealed,
        padding=total - bare,
        total=total,
    )
    digest = sha256(*(segment[-MAC_LENGTH:] for segment in segments))
    padding = keystream(keys.padding_key, keys.header_digest, lengths.padding)
    trailer = seal_trailer(keys, lineage, lengths, digest, random=random)
    return Tail(b"".join((*segments, padding, trailer)), lengths.padding)


def read_index(keys: SealKeys, tail: Buffer, size: int) -> Index | int:
    """The index from the last bytes of an object of `size` bytes, signed by an authorised writer.

    If `tail` is too short, returns the number of last bytes that is enough. Raises DamagedError,
    NotEntitledError.
    """
    assert isinstance(keys, ObjectKeys)
    lengths, digest, signer = open_trailer(keys, tail, size)
    wanted = lengths.index_sealed + lengths.padding + TRAILER_LENGTH
    if len(tail) < wanted:
        return wanted
    view = memoryview(tail)[len(tail) - wanted : len(tail) - TRAILER_LENGTH]
    sealed, padding = view[: lengths.index_sealed], view[lengths.index_sealed :]
    if padding != keystream(keys.padding_key, keys.header_digest, lengths.padding):
        raise keys.damaged("padding altered")
    plain = _open_index(keys, sealed, lengths, digest)
    index = decode_index(keys, plain)
    stated = (lengths.data_length, lengths.data_sealed, lengths.data_segments)
    if stated != (index.plaintext, sum(index.segments), len(index.segments)):
        raise keys.damaged("index and trailer disagree")
    if len(index.macs) != MAC_LENGTH * len(index.segments):
        raise keys.damaged("the index lists more or fewer MACs than segments")
    return Index(index.plaintext, index.segments, index.entries, index.macs, signer)


def _open_index(keys: ObjectKeys, sealed: memoryview, lengths: Lengths, digest: bytes) -> bytes:
    """The index stream; no segment is opened before its MAC was verified by the signed digest."""
    spans: list[memoryview] = []
    at, last = 0, False
    while not last and len(spans) < lengths.index_segments:
        length, last = sealed_length(keys, sealed[at : at + START])
        spans.append(sealed[at : at + length])
        at += length
    if not last or at != len(sealed) or len(spans) != lengths.index_segments:
        raise keys.damaged("index segments damaged")
    if sha256(*(span[-MAC_LENGTH:] for span in spans)) != digest:
        raise keys.damaged("index segments are not those that were signed")
    parts, length = [], 0
    for number, span in enumerate(spans):
        parts.append(open_segment(keys, Stream.INDEX, number, span, last=number == len(spans) - 1))
        length += len(parts[-1])
        if length > lengths.index_length:
            break
    if length != lengths.index_length:
        raise keys.damaged("index and trailer disagree")
    return b"".join(parts)


def seal_stream(
    keys: SealKeys, stream: Stream, plain: Buffer, *, compress: bool = True, random: Random = os.urandom
) -> list[bytes]:
    """All segments of a stream that is in memory."""
    view, out = memoryview(plain), memoryview(bytearray(sealed_bound(min(len(plain), keys.segment_size))))
    starts = range(0, max(1, len(view)), keys.segment_size)
    sealed = []
    for number, start in enumerate(starts):
        part, last = view[start : start + keys.segment_size], number == len(starts) - 1
        length = seal_segment_into(keys, stream, number, part, out, last=last, compress=compress, random=random)
        sealed.append(bytes(out[:length]))
    return sealed
