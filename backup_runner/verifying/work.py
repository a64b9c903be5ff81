"""What worker processes do for verify: read one object, or one content in several objects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from blake3 import blake3

from ..catalog.places import StretchRow
from ..container import Identity, Index, SealKeys, fetch_index, open_header, parse_name
from ..container.lengths import unpack_lengths
from ..contents.legacy_check import check_legacy
from ..contents.sealed import ContainerReader, Place, Span
from ..errors import ContainerError, DamagedError, ObjectMissing, TargetError
from ..records import Extent
from ..targets.base import Buffer, Target


class ObjectTask(NamedTuple):
    """Check one object of `size` bytes, its plaintext too if `data`; spans in `elsewhere` are read by other tasks."""

    object_id: int
    place: Place
    size: int
    plain: int
    contents: Sequence[StretchRow]
    elsewhere: Sequence[Span]
    data: bool


class ContentTask(NamedTuple):
    """Check one content that is in several extents."""

    content_id: int
    size: int | None
    blake3: bytes | None
    md5: bytes | None
    extents: Sequence[tuple[Place, Extent]]


Task = ObjectTask | ContentTask


@dataclass(slots=True)
class Checked:
    """What a task found: (object name, what is wrong), lost contents, bytes read."""

    damage: list[tuple[str, str]] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    """Objects that could not be read for now, which says nothing about their state."""
    missing: bool = False
    lost: list[int] = field(default_factory=list)
    contents: int = 0
    bytes: int = 0


class Checker:
    """Does tasks; created in each worker process."""

    def __init__(self, target: Target, identity: Identity) -> None:
        self._target = target
        self._identity = identity

    def __call__(self, task: Task) -> Checked:
        found = self._look(task)
        if found.damage:
            # One bad read, or one 404, says nothing about what is stored.
            return self._look(task)
        return found

    def _look(self, task: Task) -> Checked:
        return self._object(task) if isinstance(task, ObjectTask) else self._content(task)

    def _object(self, task: ObjectTask) -> Checked:
        found = Checked()
        name = task.place.name
        try:
            if task.place.format == "legacy":
                row = task.contents[0] if task.contents else None
                found.contents += task.data
                found.bytes += check_legacy(
                    self._target, self._identity, task.place, row, size=task.size, data=task.data
                )
                return found
            keys = self._header(task.place)
            for check in (self._stored_header, self._index):
                try:
                    check(task, keys)
                except ContainerError as error:
                    found.damage.append((name, error.beside(name)))
            if task.data:
                self._data(task, keys, found)
            elif found.damage:
                # Which of its contents are intact is unknown without reading them.
                found.lost = [row.content_id for row in task.contents]
        except (ContainerError, ObjectMissing) as error:
            found.missing = isinstance(error, ObjectMissing)
            found.damage.append((name, error.beside(name)))
            found.lost = [row.content_id for row in task.contents]
        except TargetError as error:
            found.unread.append((name, error.message))
        return found

    def _header(self, place: Place) -> SealKeys:
        """The object's keys, from the header in the catalog. Raises ContainerError."""
        object_id = parse_name(place.name)
        if object_id is None:
            raise DamagedError("not the name of a sealed object")
        return open_header(place.header, object_id, self._identity).keys

    def _stored_header(self, task: ObjectTask, keys: SealKeys) -> None:
        stored = self._target.get(task.place.name, 0, len(task.place.header))
        open_header(stored, keys.object_id, self._identity)
        if stored != task.place.header:
            raise keys.damaged("its header differs from the one in the catalog")

    def _index(self, task: ObjectTask, keys: SealKeys) -> None:
        index, _ = fetch_index(keys, partial(self._target.get_tail, task.place.name))
        _compare(task, keys, index)

    def _data(self, task: ObjectTask, keys: SealKeys, found: Checked) -> None:
        """Decrypt every segment, and hash every content that is only in this object."""
        name = task.place.name
        reader = self._reader(task.place, keys, [(0, task.plain)])
        opened: set[int] = set()
        whole = [row for row in task.contents if not row.spread]
        for row in whole:
            try:
                _hash(reader.stretch(row.offset, row.length), row.size, row.blake3, row.md5)
            except DamagedError as error:
                _add(found.damage, (name, error.beside(name)))
                found.lost.append(row.content_id)
            else:
                opened.update(_inside(row.offset, row.length, keys.segment_size))
            found.contents += 1
        for offset, length in task.elsewhere:
            opened.update(_inside(offset, length, keys.segment_size))
        for number in range(len(unpack_lengths(task.place.segments))):
            if number not in opened:
                try:
                    reader.segment(number)
                except DamagedError as error:
                    _add(found.damage, (name, error.beside(name)))
        found.bytes += task.plain

    def _reader(self, place: Place, keys: SealKeys, spans: Sequence[Span]) -> ContainerReader:
        lengths = unpack_lengths(place.segments)
        reader = ContainerReader(keys, lengths, lambda offset, length: self._target.get(place.name, offset, length))
        reader.plan(spans)
        return reader

    def _content(self, task: ContentTask) -> Checked:
        found = Checked(contents=1)
        at = [""]

        def pieces() -> Iterator[Buffer]:
            for place, extent in task.extents:
                at[0] = place.name
                reader = self._reader(place, self._header(place), [(extent.offset, extent.length)])
                yield from reader.stretch(extent.offset, extent.length)

        try:
            _hash(pieces(), task.size, task.blake3, task.md5)
        except (ContainerError, ObjectMissing) as error:
            found.missing = isinstance(error, ObjectMissing)
            found.damage.append((at[0], error.beside(at[0])))
            found.lost.append(task.content_id)
        except TargetError as error:
            found.unread.append((at[0], error.message))
        return found


def _compare(task: ObjectTask, keys: SealKeys, index: Index) -> None:
    """Raises DamagedError if the object's own index and the catalog disagree."""
    if list(index.segments) != unpack_lengths(task.place.segments) or index.plaintext != task.plain:
        raise keys.damaged("its segment table differs from the one in the catalog")
    entries = {(entry.offset, entry.length): entry for entry in index.entries}
    same_place: dict[Span, list[bytes]] = {}
    for entry in index.entries:
        if entry.blake3 is not None:
            same_place.setdefault((entry.offset, entry.length), []).append(entry.blake3)
    for row in task.contents:
        place = (row.offset, row.length)
        hashes = same_place.get(place)
        if place not in entries or (hashes and row.blake3 is not None and row.blake3 not in hashes):
            raise keys.damaged(f"its index lacks the content that the catalog has at {row.offset}")


def _hash(pieces: Iterator[Buffer], size: int | None, strong: bytes | None, md5: bytes | None) -> None:
    """Raises DamagedError unless these bytes have that size, BLAKE3 and MD5 (each where known)."""
    hashes: list[tuple[Any, bytes | None, str]] = [
        (blake3(), strong, "BLAKE3"),
        (hashlib.md5(usedforsecurity=False), md5, "MD5"),
    ]
    have = 0
    for data in pieces:
        have += len(data)
        for hasher, expected, _ in hashes:
            if expected is not None:
                hasher.update(data)
    if size is not None and have != size:
        raise DamagedError(f"a content of {size} bytes has {have} bytes")
    for hasher, expected, label in hashes:
        if expected is not None and hasher.digest() != expected:
            raise DamagedError(f"a content of {have} bytes does not match its recorded {label}")


def _inside(offset: int, length: int, segment_size: int) -> range:
    """Numbers of the segments with bytes of a stretch."""
    return range(offset // segment_size, -(-(offset + length) // segment_size)) if length else range(0)


def _add(items: list[tuple[str, str]], item: tuple[str, str]) -> None:
    # One damaged segment may affect thousands of contents.
    if item not in items:
        items.append(item)
