"""Reading contents from objects by range: neighbouring segments in one request, each opened once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from ..catalog.history import ObjectRow
from ..container import Identity, SealKeys, Stream, open_header, open_segment, parse_name, read_stretch, segments_of
from ..container.lengths import unpack_lengths
from ..errors import BackupRunnerError, ContainerError, DamagedError
from ..targets.base import Buffer, Target
from .legacy_reader import open_legacy

MERGE = 8 << 20
"""Maximum bytes of encrypted segments per request (at least one segment)."""
_GAP = 256 << 10
"""Unneeded bytes that are fetched rather than making a second request."""


class Place(NamedTuple):
    """An object for worker processes: what the catalog knows, and the format of its contents."""

    name: str
    header: bytes
    segments: bytes
    format: str

    @classmethod
    def of(cls, row: ObjectRow, content_format: str) -> Place:
        return cls(row.name, row.header, row.segments, content_format)


Span = tuple[int, int]
"""Offset and length of a stretch of an object's plaintext."""


class Reader(Protocol):
    """Reads the plaintext of one object. There is one for each content format."""

    def stretch(self, offset: int, length: int) -> Iterator[Buffer]:
        """Authentic bytes, in pieces. Raises ContainerError or TargetError; other stretches may still be read."""
        ...


def whole(reader: Reader, offset: int, length: int) -> Buffer:
    """All bytes of a stretch, without copying them if they are in one segment. Raises ContainerError or TargetError."""
    parts = list(reader.stretch(offset, length))
    return parts[0] if len(parts) == 1 else b"".join(parts)


class ContainerReader:
    """Reads encrypted segments; stretches should be read in the order of `spans`, sorted by offset."""

    def __init__(self, keys: SealKeys, lengths: Sequence[int], source: Callable[[int, int], bytes]) -> None:
        self._keys = keys
        self._lengths = lengths
        self._starts = list(accumulate(lengths, initial=keys.header_length))
        self._source = source
        self._groups: list[tuple[int, int]] = []
        self._fetched = -1
        self._sealed: bytes | BackupRunnerError = b""
        self._number = -1
        self._plain: bytes | memoryview | DamagedError = b""

    def plan(self, spans: Iterable[Span]) -> None:
        """Announce the stretches to read, sorted by offset, so that requests can be merged."""
        self._groups = []
        for offset, length in spans:
            if length:
                first, last = segments_of(offset, length, self._keys.segment_size)
                for number in range(first, min(last, len(self._lengths) - 1) + 1):
                    self._join(number)

    def stretch(self, offset: int, length: int) -> Iterator[Buffer]:
        return read_stretch(self._keys, self.segment, offset, length)

    def segment(self, number: int) -> bytes | memoryview:
        """The plaintext of one data segment. Raises DamagedError or TargetError."""
        if number != self._number:
            if number >= len(self._lengths):
                raise self._keys.damaged(f"data segment {number}: missing")
            try:
                self._plain = self._open(number, self._fetch(number))
            except DamagedError:
                self._plain = self._once_more(number)
            self._number = number
        if isinstance(self._plain, DamagedError):
            raise self._plain
        return self._plain

    def _open(self, number: int, sealed: bytes | memoryview) -> bytes | memoryview:
        return open_segment(self._keys, Stream.DATA, number, sealed, last=number == len(self._lengths) - 1)

    def _once_more(self, number: int) -> bytes | memoryview | DamagedError:
        """A segment that was fetched again, or what is wrong with it: one bad read is not damage."""
        try:
            return self._open(number, self._source(self._starts[number], self._lengths[number]))
        except DamagedError as error:
            return error

    def _join(self, number: int) -> None:
        if self._groups:
            first, last = self._groups[-1]
            if number <= last:
                return
            gap = self._starts[number] - self._starts[last + 1]
            if gap <= _GAP and self._starts[number + 1] - self._starts[first] <= MERGE:
                self._groups[-1] = (first, number)
                return
        self._groups.append((number, number))

    def _fetch(self, number: int) -> memoryview:
        at = bisect_right(self._groups, (number, len(self._lengths))) - 1
        if at < 0 or self._groups[at][1] < number:
            return memoryview(self._source(self._starts[number], self._lengths[number]))
        first, last = self._groups[at]
        if at != self._fetched:
            self._fetched = at
            try:
                self._sealed = self._source(self._starts[first], self._starts[last + 1] - self._starts[first])
            except BackupRunnerError as error:
                # Every content in this range would fetch again, with the same result.
                self._sealed = error
        if isinstance(self._sealed, BackupRunnerError):
            raise self._sealed
        start = self._starts[number] - self._starts[first]
        return memoryview(self._sealed)[start : start + self._lengths[number]]


def _container(place: Place, spans: Sequence[Span], target: Target, identity: Identity) -> Reader:
    object_id = parse_name(place.name)
    if object_id is None:
        raise DamagedError(f"{place.name} is not the name of a sealed object")
    keys = open_header(place.header, object_id, identity).keys
    reader = ContainerReader(
        keys, unpack_lengths(place.segments), lambda offset, length: target.get(place.name, offset, length)
    )
    reader.plan(spans)
    return reader


READERS: dict[str, Callable[[Place, Sequence[Span], Target, Identity], Reader]] = {
    "container": _container,
    "legacy": open_legacy,
}


def open_reader(place: Place, spans: Sequence[Span], target: Target, identity: Identity) -> Reader:
    """A reader for stretches of an object, fetching nothing yet. `spans` are sorted by offset.

    Raises ContainerError if the catalog's data about the object are invalid.
    """
    opener = READERS.get(place.format)
    if opener is None:
        raise ContainerError(f"{place.name}: contents of format {place.format!r} cannot be read by this version")
    return opener(place, spans, target, identity)
