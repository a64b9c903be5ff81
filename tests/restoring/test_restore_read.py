"""Neighbouring segments come in one request, far ones apart, each once."""

from __future__ import annotations

import hashlib
import os

import pytest

from backup_runner.container import ObjectId, ObjectKind, open_object, seal_object
from backup_runner.contents.sealed import ContainerReader, Place, open_reader
from backup_runner.errors import DamagedError, TransientError
from backup_runner.targets.directory.target import DirectoryTarget
from tests.restoring.build import CHEAP, KEYRING, SALT

_SEGMENT = 1 << 16
_PLAIN = os.urandom(_SEGMENT * 40 + 5)


class _Recording:
    def __init__(self, sealed: bytes) -> None:
        self.sealed, self.asked = sealed, list[tuple[int, int]]()

    def __call__(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        return self.sealed[offset : offset + length]


def _reader(damage: int | None = None) -> tuple[ContainerReader, _Recording]:
    object_id = ObjectId(bytes(16), ObjectKind.DATA, bytes(16))
    sealed = seal_object(object_id, KEYRING, SALT, _PLAIN, segment_size=_SEGMENT, cost=CHEAP)
    opened = open_object(sealed, len(sealed), object_id, KEYRING)
    if damage is not None:
        at = opened.keys.header_length + sum(opened.lengths[:damage]) + 100
        sealed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
    source = _Recording(sealed)
    return ContainerReader(opened.keys, opened.lengths, source), source


def _read(reader: ContainerReader, span: tuple[int, int]) -> bytes:
    return b"".join(reader.stretch(*span))


def test_neighbours_are_fetched_together_and_far_ones_apart() -> None:
    reader, source = _reader()
    spans = [(10, 20), (_SEGMENT - 5, 10), (_SEGMENT * 3, 100), (_SEGMENT * 30, 7)]
    reader.plan(spans)
    for offset, length in spans:
        assert _read(reader, (offset, length)) == _PLAIN[offset : offset + length]
    assert len(source.asked) == 2


def test_what_was_not_planned_is_read_all_the_same() -> None:
    reader, source = _reader()
    reader.plan([(0, 5)])
    assert _read(reader, (_SEGMENT * 40, 5)) == _PLAIN[-5:]
    assert _read(reader, (0, 5)) == _PLAIN[:5]
    assert len(source.asked) == 2


def test_a_damaged_segment_costs_only_its_own_bytes() -> None:
    reader, _ = _reader(damage=1)
    reader.plan([(0, len(_PLAIN))])
    assert _read(reader, (0, _SEGMENT)) == _PLAIN[:_SEGMENT]
    for _ in range(2):
        with pytest.raises(DamagedError, match="data segment 1"):
            _read(reader, (_SEGMENT - 1, 2))
    assert _read(reader, (_SEGMENT * 2, 9)) == _PLAIN[_SEGMENT * 2 : _SEGMENT * 2 + 9]


def test_a_request_that_fails_is_not_repeated_for_every_content() -> None:
    reader, source = _reader()
    reader.plan([(0, 5), (5, 5)])

    def fail(offset: int, length: int) -> bytes:
        source.asked.append((offset, length))
        raise TransientError("no answer")

    reader._source = fail
    for offset in (0, 5):
        with pytest.raises(TransientError):
            _read(reader, (offset, 5))
    assert len(source.asked) == 1


def test_catalog_header_that_is_another_objects(tmp_path: os.PathLike[str]) -> None:
    object_id = ObjectId(bytes(16), ObjectKind.DATA, hashlib.md5(b"x").digest())
    sealed = seal_object(object_id, KEYRING, SALT, b"x", cost=CHEAP)
    other = ObjectId(bytes(16), ObjectKind.DATA, bytes(16)).name
    with pytest.raises(DamagedError, match="another object"):
        open_reader(Place(other, sealed, b"", "container"), [], DirectoryTarget(str(tmp_path)), KEYRING)
