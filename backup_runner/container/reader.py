"""Whole objects: seals payloads in memory, opens objects by range, damaged or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from ..errors import DamagedError
from .header import MAX_HEADER, SEGMENT_SIZE, SealKeys, new_header
from .identity import check_signer
from .index import TAIL, Index, IndexEntry, decode_index, open_stream, seal_index, seal_stream
from .keys import DEFAULT_COST, Cost, Keyring, Random
from .names import ObjectId
from .segment import MAC_LENGTH, SEGMENT_HEADER, Buffer, Stream, sealed_length, segments_of
from .suites import Opener, is_signed, open_header, open_segment, read_index

Read = Callable[[int, int], bytes]
"""`length` bytes from `offset` of an object; fewer only at its end."""


def seal_object(
    object_id: ObjectId,
    keyring: Keyring,
    salt: bytes,
    payload: Buffer,
    *,
    entries: Sequence[IndexEntry] = (),
    random: Random = os.urandom,
    segment_size: int = SEGMENT_SIZE,
    cost: Cost = DEFAULT_COST,
) -> bytes:
    """A whole object from a payload in memory: records, catalog copies, small packs.

    Larger than usual, because tests hand in randomness, cost and segment size.
    """
    header, keys = new_header(object_id, keyring, salt, random=random, segment_size=segment_size, cost=cost)
    segments = seal_stream(keys, Stream.DATA, payload, random=random)
    index = Index(len(payload), [len(segment) for segment in segments], entries)
    return b"".join((header, *segments, seal_index(keys, index, random=random)))


@dataclass(frozen=True, slots=True)
class OpenedObject:
    """An object with a valid header. `damage` lists what else is damaged; it is empty for an intact one.

    `index` is None if it is lost; `lengths` are the sealed lengths of the data segments, as far as they are known
    (0 for one that is missing). Every byte from `read`, `contents` or `payload` is authentic.
    """

    keys: SealKeys
    size: int
    index: Index | None
    lengths: Sequence[int]
    damage: Sequence[str]
    source: Read

    def read(self, offset: int, length: int) -> Iterator[bytes]:
        """The plaintext stretch, segment by segment. Raises DamagedError at the first that is damaged."""
        return map(bytes, read_stretch(self.keys, self._segments(), offset, length))

    def contents(self) -> Iterator[tuple[IndexEntry, bytes | DamagedError]]:
        """Each content with its bytes, or with its damage; none if the index is lost.

        Without composed contents: their pieces are contents, of this object or of others.
        """
        segment = self._segments()
        for entry in self.index.entries if self.index else ():
            if entry.pieces is not None:
                continue
            try:
                yield entry, b"".join(read_stretch(self.keys, segment, entry.offset, entry.length))
            except DamagedError as error:
                yield entry, error

    def payload(self) -> bytes:
        """The whole data stream of an intact object. Raises DamagedError otherwise."""
        if self.damage or self.index is None:
            raise DamagedError("; ".join(self.damage))
        return b"".join(self.read(0, self.index.plaintext))

    def check(self) -> Iterator[str]:
        """Everything that is damaged: what opening found, then each data segment."""
        yield from self.damage
        segment = self._segments()
        for number in range(len(self.lengths)):
            try:
                segment(number)
            except DamagedError as error:
                yield error.message

    def _segments(self) -> Callable[[int], bytes | memoryview]:
        return segment_reader(self.keys, self.lengths, self.source, self.index.macs if self.index else b"")


def open_object(source: bytes | Read, size: int, object_id: ObjectId, opener: Opener) -> OpenedObject:
    """Open an object of `size` bytes for reading; what is intact in a damaged one of suite 1 can be read too.

    Raises WrongKeyError, or DamagedError if the header is damaged or another object's: nothing can be read then. An
    object of suite 2 counts only with the signature at its end: NotEntitledError, or DamagedError if that is lost.
    """
    read = _reader(source) if isinstance(source, bytes) else source
    keys = open_header(read(0, min(size, MAX_HEADER)), object_id, opener).keys
    try:
        index = fetch_index(keys, _tail_of(read, size))[0]
    except DamagedError as error:
        if is_signed(keys):
            raise
        return _salvage(keys, read, size, error.message)
    check_signer(opener, object_id, index.signer)
    return OpenedObject(keys, size, index, index.segments, (), read)


def open_whole(source: bytes | Read, size: int, object_id: ObjectId, opener: Opener) -> OpenedObject:
    """Open an object that is only useful if header, trailer and index are intact. Raises WrongKeyError, DamagedError.

    Does not search in a damaged one: whoever damaged it could cause any number of reads."""
    read = _reader(source) if isinstance(source, bytes) else source
    keys = open_header(read(0, min(size, MAX_HEADER)), object_id, opener).keys
    index = fetch_index(keys, _tail_of(read, size))[0]
    check_signer(opener, object_id, index.signer)
    return OpenedObject(keys, size, index, index.segments, (), read)


def segment_reader(
    keys: SealKeys, lengths: Sequence[int], source: Read, macs: bytes = b""
) -> Callable[[int], bytes | memoryview]:
    """Opens data segments by number, each fetched by its range; remembers the last one, for packs.

    `macs`, from a signed index: each segment must be the one with that MAC. Without it, a segment is only bound to its
    header; anybody who can open the object could have made another, so contents are checked by their hashes.
    """
    starts = list(accumulate(lengths, initial=keys.header_length))

    @lru_cache(maxsize=1)
    def segment(number: int) -> bytes | memoryview:
        if number >= len(lengths):
            raise keys.damaged(f"data segment {number}: missing")
        sealed = source(starts[number], lengths[number])
        if macs and sealed[-MAC_LENGTH:] != macs[number * MAC_LENGTH : (number + 1) * MAC_LENGTH]:
            raise keys.damaged(f"data segment {number}: not the one that was signed")
        return open_segment(keys, Stream.DATA, number, sealed, last=number == len(lengths) - 1)

    return segment


def read_stretch(
    keys: SealKeys, segment: Callable[[int], bytes | memoryview], offset: int, length: int
) -> Iterator[memoryview]:
    """`length` bytes at `offset` of the data stream, in pieces, not copied. Raises DamagedError."""
    if not length:
        return
    first, last = segments_of(offset, length, keys.segment_size)
    for number in range(first, last + 1):
        base = number * keys.segment_size
        start, end = max(0, offset - base), min(keys.segment_size, offset + length - base)
        plain = segment(number)
        if len(plain) < end:
            raise keys.damaged(f"data segment {number}: too short")
        yield memoryview(plain)[start:end]


def _reader(data: bytes) -> Read:
    view = memoryview(data)
    return lambda offset, length: bytes(view[offset : offset + length])


def fetch_index(keys: SealKeys, tail: Callable[[int], tuple[bytes, int]]) -> tuple[Index, int]:
    """An object's index, and the object's size in bytes.

    `tail` gives that many bytes of the object's end (all, if it is shorter), and the size. Raises DamagedError."""
    data, size = tail(TAIL)
    found = read_index(keys, data, size)
    if isinstance(found, int):
        data, size = tail(found)
        found = read_index(keys, data, size)
    if isinstance(found, int):
        raise keys.damaged("index is truncated")
    return found, size


def _tail_of(read: Read, size: int) -> Callable[[int], tuple[bytes, int]]:
    return lambda length: (read(max(0, size - length), min(size, length)), size)


def _salvage(keys: SealKeys, read: Read, size: int, damage: str) -> OpenedObject:
    """What the segments themselves show if trailer or index are damaged."""
    lengths, at = _walk(keys, read, size, keys.header_length)
    index = None
    try:
        index_lengths, _ = _walk(keys, read, size, at)
        plain, _ = open_stream(keys, Stream.INDEX, read(at, sum(index_lengths)))
        index = decode_index(keys, plain)
    except DamagedError:
        pass
    return OpenedObject(keys, size, index, lengths, (damage,), read)


def _walk(keys: SealKeys, read: Read, size: int, at: int) -> tuple[list[int], int]:
    """Lengths of the segments from `at` to the one marked last, and where that ends.

    If the walk fails, a segment of length 0 represents what is missing.
    """
    lengths: list[int] = []
    last = False
    while not last:
        try:
            length, last = sealed_length(keys, read(at, min(SEGMENT_HEADER.size, size - at)))
            if at + length > size:
                raise keys.damaged("cut within a segment")
        except DamagedError:
            return [*lengths, 0], size
        lengths.append(length)
        at += length
    return lengths, at
