"""Whole objects and what may happen to them, opened by both implementations."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backup_runner.container import (
    TAIL,
    Index,
    IndexEntry,
    ObjectId,
    ObjectKind,
    OpenedObject,
    Stream,
    Trailer,
    new_header,
    open_header,
    open_object,
    open_segment,
    parse_name,
    read_index,
    seal_index,
    seal_segment,
    segment_span,
)
from backup_runner.container import index as index_module
from backup_runner.container.index import TRAILER_LENGTH
from backup_runner.container.keys import Cost, CryptoKey, Keyring, hkdf
from backup_runner.errors import DamagedError, WrongKeyError

SEGMENT = 4096
SALT = b"s" * 32
CHEAP = Cost(log2_n=4)
FULL = os.environ.get("PROOF") == "full"

Seal = Callable[..., bytes]
Contents = dict[bytes, bytes]


def opened(data: bytes, object_id: ObjectId, keyring: Keyring) -> OpenedObject:
    return open_object(data, len(data), object_id, keyring)


def intact(found: OpenedObject) -> Contents:
    return {e.path: got for e, got in found.contents() if e.path is not None and isinstance(got, bytes)}


def recovered(recover: ModuleType, path: Path, name: str) -> tuple[Contents, bool]:
    """What docs/recover.py gets out of an object, and whether it found it whole."""
    try:
        found = recover.Object(path, name, b"k" * 32)
    except recover.DamagedError:
        return {}, False
    contents, whole = {}, found.damage is None
    for stretches in recover.contents([found]):
        try:
            contents[recover.entry_path(stretches[-1][1])] = b"".join(recover.joined(stretches))
        except recover.DamagedError:
            whole = False
    return contents, whole


@pytest.mark.parametrize(
    "size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT - 1, 3 * SEGMENT, 3 * SEGMENT + 1]
)
def test_payload_round_trip_around_segment_boundaries(
    seal: Seal, keyring: Keyring, object_id: ObjectId, size: int
) -> None:
    payload = os.urandom(size)
    found = opened(seal(object_id, payload), object_id, keyring)
    assert found.payload() == payload
    assert len(found.lengths) == max(1, -(-size // SEGMENT))
    assert list(found.check()) == []
    for offset in {0, size // 2, max(0, size - 1)}:
        assert b"".join(found.read(offset, size - offset)) == payload[offset:]


def test_a_pack_gives_its_contents_back(
    pack: bytes, pack_contents: Contents, keyring: Keyring, object_id: ObjectId, recover: ModuleType, tmp_path: Path
) -> None:
    assert intact(opened(pack, object_id, keyring)) == pack_contents
    (tmp_path / "pack").write_bytes(pack)
    assert recovered(recover, tmp_path / "pack", object_id.name) == (pack_contents, True)


def test_single_segments_by_range_with_what_the_catalog_keeps(
    pack: bytes, pack_contents: Contents, keyring: Keyring, object_id: ObjectId
) -> None:
    found = opened(pack, object_id, keyring)
    keys = open_header(pack[:300], object_id, keyring).keys
    offset, length = segment_span(found.lengths, keys.header_length, 1, 1)
    plain = open_segment(keys, Stream.DATA, 1, pack[offset : offset + length], last=False)
    assert plain == b"".join(pack_contents.values())[SEGMENT : 2 * SEGMENT]


def mutations(pack: bytes) -> Iterator[bytes]:
    """Every byte flipped (in the whole proof, every bit), and every truncation."""
    for at in range(len(pack)):
        for flip in [1 << bit for bit in range(8)] if FULL else [1 << at % 8]:
            yield pack[:at] + bytes([pack[at] ^ flip]) + pack[at + 1 :]
        yield pack[:at]


@pytest.mark.proof
def test_no_flip_and_no_cut_yields_a_wrong_byte(
    pack: bytes, pack_contents: Contents, keyring: Keyring, object_id: ObjectId, recover: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "object"
    survivors = 0
    refusals: list[tuple[str, Contents]] = []
    for mutated in mutations(pack):
        path.write_bytes(mutated)
        theirs, whole = recovered(recover, path, object_id.name)
        assert not whole
        try:
            found = opened(mutated, object_id, keyring)
        except DamagedError as error:
            refusals.append((error.message, theirs))
            continue
        ours = intact(found)
        assert ours.items() <= pack_contents.items()
        assert ours == theirs
        assert all(object_id.name in said for said in found.check())
        assert list(found.check())
        survivors += bool(ours)
    assert survivors > len(pack) // 2
    assert all(object_id.name in said and theirs == {} for said, theirs in refusals)


def test_a_damaged_segment_costs_only_the_contents_in_it(
    pack: bytes, pack_contents: Contents, keyring: Keyring, object_id: ObjectId
) -> None:
    lengths = opened(pack, object_id, keyring).lengths
    start, length = segment_span(lengths, 207, 1, 1)
    damaged = bytearray(pack)
    damaged[start + length // 2] ^= 0x80
    found = opened(bytes(damaged), object_id, keyring)
    assert sorted(intact(found)) == [b"a", b"empty"]
    lost = [error.message for _, error in found.contents() if isinstance(error, DamagedError)]
    assert len(lost) == 3
    assert all(f"{object_id.name}: data segment 1" in said for said in lost)


def test_appended_bytes_are_damage_but_cost_no_content(
    pack: bytes, pack_contents: Contents, keyring: Keyring, object_id: ObjectId
) -> None:
    for appended in (b"\0", pack[-TRAILER_LENGTH:], pack):
        found = opened(pack + appended, object_id, keyring)
        assert found.damage
        assert intact(found) == pack_contents
        with pytest.raises(DamagedError):
            found.payload()


def test_reordered_dropped_and_foreign_segments(
    seal: Seal, pack: bytes, keyring: Keyring, object_id: ObjectId, pack_entries: Callable[..., list[IndexEntry]]
) -> None:
    payload = os.urandom(3 * SEGMENT)
    contents = {b"%d" % n: payload[n * SEGMENT :][:SEGMENT] for n in range(3)}
    one, two = (seal(object_id, payload, entries=pack_entries(contents)) for _ in range(2))
    whole = SEGMENT + 80
    head, segments, rest = one[:207], [one[207 + n * whole :][:whole] for n in range(3)], one[207 + 3 * whole :]
    foreign = two[207 : 207 + whole]

    def survivors(*order: bytes) -> list[bytes]:
        return sorted(intact(opened(head + b"".join(order) + rest, object_id, keyring)))

    assert survivors(*segments) == [b"0", b"1", b"2"]
    assert survivors(segments[1], segments[0], segments[2]) == [b"2"]
    assert survivors(segments[0], segments[0], segments[2]) == [b"0", b"2"]
    assert survivors(foreign, segments[1], segments[2]) == [b"1", b"2"]
    assert survivors(segments[0], segments[2]) == [b"0"]
    assert intact(opened(two[:207] + one[207:], object_id, keyring)) == {}


def test_a_renamed_object_is_refused(
    pack: bytes, keyring: Keyring, object_id: ObjectId, recover: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "object").write_bytes(pack)
    for other in (
        ObjectId(b"L" * 16, object_id.kind, object_id.id),
        ObjectId(object_id.lineage, ObjectKind.COPIES, object_id.id),
        ObjectId(object_id.lineage, object_id.kind, b"j" * 16),
    ):
        with pytest.raises(DamagedError, match=f"{other.name}: another object is stored under this name"):
            opened(pack, other, keyring)
        assert recovered(recover, tmp_path / "object", other.name) == ({}, False)


def test_a_wrong_key_is_told_from_damage(pack: bytes, object_id: ObjectId) -> None:
    with pytest.raises(WrongKeyError, match=object_id.name):
        opened(pack, object_id, Keyring(CryptoKey(b"K" * 32)))


def test_an_index_beyond_the_tail_is_asked_for(keyring: Keyring, object_id: ObjectId) -> None:
    header, keys = new_header(object_id, keyring, SALT, cost=CHEAP)
    sealed = seal_segment(keys, Stream.DATA, 0, b"", last=True)
    entries = [IndexEntry(0, os.urandom(16), os.urandom(32), 0, 0, path=os.urandom(200)) for _ in range(4000)]
    index = Index(0, [len(sealed)], entries)
    data = header + sealed + seal_index(keys, index)
    wanted = read_index(keys, data[-TAIL:], len(data))
    assert isinstance(wanted, int)
    assert wanted == len(data) - len(header) - len(sealed)
    assert read_index(keys, data[-wanted:], len(data)) == index
    reads: list[tuple[int, int]] = []

    def source(offset: int, length: int) -> bytes:
        reads.append((offset, length))
        return data[offset : offset + length]

    assert open_object(source, len(data), object_id, keyring).index == index
    assert len(reads) == 3


def test_index_and_trailer_must_agree(keyring: Keyring, object_id: ObjectId) -> None:
    header, keys = new_header(object_id, keyring, SALT, cost=CHEAP)
    sealed = seal_segment(keys, Stream.DATA, 0, b"12345", last=True)
    tail = seal_index(keys, Index(5, [len(sealed)]))
    data = header + sealed + tail
    trailer = Trailer.parse(keys, tail, len(data))
    assert read_index(keys, tail, len(data)) == Index(5, [len(sealed)], [])
    for field in ("data_length", "data_sealed", "data_segments", "index_segments", "index_length"):
        forged = trailer._replace(**{field: getattr(trailer, field) + 1}).seal(keys)
        with pytest.raises(DamagedError, match="index and trailer disagree"):
            read_index(keys, tail[:-TRAILER_LENGTH] + forged, len(data))
    moved = trailer._replace(header_length=trailer.header_length + 1).seal(keys)
    with pytest.raises(DamagedError, match="was sealed with"):
        read_index(keys, tail[:-TRAILER_LENGTH] + moved, len(data))
    longer = trailer._replace(index_sealed=trailer.index_sealed + 4, total=trailer.total + 4)
    stuffed = tail[:-TRAILER_LENGTH] + b"more" + longer.seal(keys)
    with pytest.raises(DamagedError, match="followed by other data"):
        read_index(keys, stuffed, len(data) + 4)


def test_a_cut_object_blames_only_what_is_missing(seal: Seal, keyring: Keyring, object_id: ObjectId) -> None:
    data = seal(object_id, os.urandom(3 * SEGMENT))
    for cut in (207 + 2 * (SEGMENT + 80), 207 + 2 * (SEGMENT + 80) + 20, 207 + 3 * (SEGMENT + 80) - 1):
        said = list(opened(data[:cut], object_id, keyring).check())
        assert len(said) == 2
        assert "data segment 2: it is truncated" in said[1]


def test_reading_beyond_the_end_is_no_short_answer(seal: Seal, keyring: Keyring, object_id: ObjectId) -> None:
    found = opened(seal(object_id, bytes(SEGMENT + 10)), object_id, keyring)
    for offset, length in ((SEGMENT, 11), (2 * SEGMENT, 1)):
        with pytest.raises(DamagedError, match=r"too short|missing"):
            list(found.read(offset, length))


entry = st.builds(
    IndexEntry,
    size=st.integers(0, 2**63 - 1),
    md5=st.none() | st.binary(min_size=16, max_size=16),
    blake3=st.none() | st.binary(min_size=32, max_size=32),
    offset=st.integers(0, 500),
    length=st.integers(0, 500),
    at=st.integers(0, 2**62),
    group=st.none() | st.binary(min_size=16, max_size=16),
    path=st.none() | st.binary(max_size=50),
    mode=st.none() | st.integers(0, 0o7777),
    mtime_ns=st.none() | st.integers(-(2**63), 2**63 - 1),
    pieces=st.none(),
)


@given(payload=st.binary(min_size=1000, max_size=9000), entries=st.lists(entry, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_index_comes_back(
    seal: Seal, keyring: Keyring, object_id: ObjectId, payload: bytes, entries: list[IndexEntry]
) -> None:
    found = opened(seal(object_id, payload, entries=entries), object_id, keyring)
    assert found.index
    assert list(found.index.entries) == entries
    assert found.payload() == payload
    for one, got in found.contents():
        assert got == payload[one.offset : one.offset + one.length]


def test_an_index_that_says_what_cannot_be_is_refused(seal: Seal, keyring: Keyring, object_id: ObjectId) -> None:
    beyond = IndexEntry(5, bytes(16), bytes(32), 8, 3, path=b"x")
    found = opened(seal(object_id, b"0123456789", entries=[beyond]), object_id, keyring)
    assert found.index is None
    assert "content out of bounds" in found.damage[0]


@pytest.mark.parametrize(("plaintext", "segments"), [(5, 2), (SEGMENT, 2), (SEGMENT + 1, 1), (0, 0)])
def test_a_segment_table_that_cannot_be(keyring: Keyring, object_id: ObjectId, plaintext: int, segments: int) -> None:
    header, keys = new_header(object_id, keyring, SALT, segment_size=SEGMENT, cost=CHEAP)
    tail = seal_index(keys, Index(plaintext, [100] * segments))
    with pytest.raises(DamagedError, match="number of segments"):
        read_index(keys, tail, len(header) + 100 * segments + len(tail))


@pytest.mark.parametrize(
    ("before", "after"),
    [(b'"data"', b'"copies"'), (b'"contents":1', b'"contents":2'), (b'"version":1', b'"version":2')],
)
def test_an_index_of_something_else(
    keyring: Keyring, object_id: ObjectId, monkeypatch: pytest.MonkeyPatch, before: bytes, after: bytes
) -> None:
    header, keys = new_header(object_id, keyring, SALT, cost=CHEAP)
    real = index_module.encode_index
    monkeypatch.setattr(index_module, "encode_index", lambda *given: real(*given).replace(before, after))
    tail = seal_index(keys, Index(5, [100], [IndexEntry(5, None, None, 0, 5)]))
    with pytest.raises(DamagedError, match="index cannot be read"):
        read_index(keys, tail, len(header) + 100 + len(tail))


def forged(
    object_id: ObjectId, keyring: Keyring, *changes: tuple[int, bytes], stanzas: int = 0, rest: bytes = b""
) -> bytes:
    """A header by somebody with the key who keeps no rules: bytes at offsets, unknown stanzas before the real one."""
    header, _ = new_header(object_id, keyring, SALT, random=bytes, cost=CHEAP)
    head = bytearray(header[:-64])
    head[56:56] = struct.pack(">HH3s", 77, 3, b"???") * stanzas
    head += rest
    struct.pack_into(">I", head, 12, len(head) + 64)
    struct.pack_into(">H", head, 54, stanzas + 1)
    for at, data in changes:
        head[at : at + len(data)] = data
    head += hashlib.sha256(head).digest()
    return bytes(head + hmac.digest(hkdf(bytes(32), b"header", 32), head, "sha256"))


@pytest.mark.parametrize(
    ("changes", "stanzas", "said"),
    [
        ([], 0, ""),
        ([], 15, ""),
        ([], 16, "number of stanzas"),
        ([(54, b"\0\0")], 0, "number of stanzas"),
        ([(8, b"\0\2")], 0, "format 2, suite 1"),
        ([(10, b"\0\3")], 0, "format 1, suite 3"),
        ([(49, b"\x14")], 0, "parameters out of bounds"),
        ([(50, (2048).to_bytes(4, "big"))], 0, "parameters out of bounds"),
        ([(50, (1 << 25).to_bytes(4, "big"))], 0, "parameters out of bounds"),
        ([(68, b"\x15")], 0, "refused scrypt cost"),
        ([(68, b"\0")], 0, "refused scrypt cost"),
        ([(69, b"\x09")], 0, "refused scrypt cost"),
        ([(70, b"\5")], 0, "refused scrypt cost"),
        ([(70, b"\0")], 0, "refused scrypt cost"),
    ],
)
def test_headers_that_are_authentic_and_out_of_bounds(
    keyring: Keyring, object_id: ObjectId, recover: ModuleType, tmp_path: Path, changes: list[tuple[int, bytes]],
    stanzas: int, said: str,
) -> None:  # fmt: skip
    header = forged(object_id, keyring, *changes, stanzas=stanzas)
    (tmp_path / "object").write_bytes(header)
    if not said:
        assert open_header(header, object_id, keyring).length == len(header)
        assert recover.Object(tmp_path / "object", object_id.name, b"k" * 32).data_start == len(header)
        return
    with pytest.raises(DamagedError, match=said):
        open_header(header, object_id, keyring)
    with pytest.raises(recover.DamagedError, match=said.removeprefix("header ")):
        recover.Object(tmp_path / "object", object_id.name, b"k" * 32)


def test_a_header_with_something_behind_its_stanzas(
    keyring: Keyring, object_id: ObjectId, recover: ModuleType, tmp_path: Path
) -> None:
    header = forged(object_id, keyring, rest=b"?")
    (tmp_path / "object").write_bytes(header)
    with pytest.raises(DamagedError, match="stanzas have the wrong length"):
        open_header(header, object_id, keyring)
    with pytest.raises(recover.DamagedError, match="stanzas have the wrong length"):
        recover.Object(tmp_path / "object", object_id.name, b"k" * 32)


def test_names() -> None:
    record = ObjectId.record(bytes(16), 42)
    assert record.name == f"{'0' * 32}/records/0000000000000042"
    assert record.serial == 42
    for one in (record, ObjectId(b"l" * 16, ObjectKind.COPIES, b"c" * 16), ObjectId.record(bytes(16), 10**16 - 1)):
        assert parse_name(one.name) == one
    for foreign in (
        "",
        "x",
        record.name + "0",
        record.name + "\n",
        record.name.replace("records", "data"),
        "/" + record.name,
    ):
        assert parse_name(foreign) is None
    with pytest.raises(ValueError, match="16 digits"):
        ObjectId.record(bytes(16), 10**16)
