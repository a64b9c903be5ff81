"""Objects of suite 2: sealed, opened, and refused when anything about them is not as it was written."""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.container import IndexEntry, OpenedObject, Stream, open_header, open_object, segment_reader
from backup_runner.container.identity import Identity
from backup_runner.container.keys import CryptoKey, KdfBudget, Keyring
from backup_runner.container.segment import sealed_bound
from backup_runner.container.suite2.lineage import Lineage, Rights, Signer, Writer
from backup_runner.container.suite2.padding import padded
from backup_runner.container.suite2.sealer import seal_object
from backup_runner.container.suite2.segment import seal_segment_into
from backup_runner.container.suite2.signing import SigningKey
from backup_runner.container.suite2.trailer import TRAILER_LENGTH
from backup_runner.errors import DamagedError, NoiseError, NotEntitledError, WrongKeyError
from tests.container.sealer import ObjectSealer

from .lineages import SALT, SEGMENT, World, pair

HOST = SigningKey.from_seed(hashlib.sha256(b"host").digest())


@pytest.fixture
def world() -> World:
    return World()


def entries(*contents: bytes) -> list[IndexEntry]:
    found, at = [], 0
    for content in contents:
        found.append(IndexEntry(len(content), None, hashlib.sha256(content).digest(), at, len(content)))
        at += len(content)
    return found


def signer_of(opened: OpenedObject) -> Signer:
    assert opened.index
    assert opened.index.signer
    return opened.index.signer


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 50_000])
def test_round_trip(world: World, size: int) -> None:
    payload = os.urandom(size)
    data = seal_object(world.lineage(), world.data(), payload, entries=entries(payload), segment_size=SEGMENT)
    opened = open_object(data, len(data), world.data(), world.owner)
    assert opened.payload() == payload
    assert [content for _, content in opened.contents()] == [payload]
    assert list(opened.check()) == []
    assert len(data) == padded(len(data))
    assert len(data) % 4096 == 0
    assert signer_of(opened).rights is Rights.OWNER


def test_a_host_seals_and_opens_nothing(world: World) -> None:
    lineage = pickle.loads(pickle.dumps(world.host(HOST)))
    data = seal_object(lineage, world.data(), b"from a host")
    opened = open_object(data, len(data), world.data(), world.owner)
    assert opened.payload() == b"from a host"
    assert (signer_of(opened).public, signer_of(opened).rights) == (HOST.public, Rights.HOST)
    with pytest.raises(WrongKeyError):
        open_object(data, len(data), world.data(), Identity(pair("host")))


def test_segments_sealed_elsewhere_and_in_place(world: World) -> None:
    parts = [os.urandom(SEGMENT), bytes(SEGMENT), b"end"]
    sealer = ObjectSealer.new(world.lineage(), world.data(), segment_size=SEGMENT)
    out = memoryview(bytearray(100_000))
    at = len(sealer.header)
    out[:at] = sealer.header
    for number, part in enumerate(parts):
        room, last = out[at : at + sealed_bound(len(part))], number == 2
        keys = pickle.loads(pickle.dumps(sealer.keys))
        length = seal_segment_into(keys, Stream.DATA, number, part, room, last=last, compress=number != 1)
        sealer.add(len(part), length, room[length - 32 : length], last=last)
        at += length
        assert sealer.size == at
    assert sealer.lengths[1] > SEGMENT  # not compressed, as asked
    tail = sealer.finish(entries(*parts))
    data = bytes(out[:at]) + tail
    opened = open_object(data, len(data), world.data(), world.owner)
    assert opened.payload() == b"".join(parts)
    header = open_header(data[: len(sealer.header)], world.data(), world.owner)
    segment = segment_reader(header.keys, sealer.lengths, lambda offset, length: data[offset : offset + length])
    assert segment(2) == b"end"


def test_composed_contents_are_listed(world: World) -> None:
    pieces = [(hashlib.sha256(b"a").digest(), 1), (bytes(32), 7)]
    whole = IndexEntry(8, bytes(16), bytes(32), 0, 0, 3, b"g" * 16, b"large", 0o600, 5, pieces)
    data = seal_object(world.lineage(), world.data(), b"a", entries=[*entries(b"a"), whole])
    opened = open_object(data, len(data), world.data(), world.owner)
    assert opened.index
    assert opened.index.entries[1] == whole
    assert len(list(opened.contents())) == 1


def refused(world: World, data: bytes, identity: Identity | None = None, tag: str = "object") -> DamagedError | None:
    """What opening and reading everything says; None if nothing was wrong. WrongKeyError counts as such only."""
    try:
        opened = open_object(data, len(data), world.data(tag), identity or world.owner)
        opened.payload()
        assert list(opened.check()) == []
    except DamagedError as error:
        return error
    return None


def test_every_flipped_byte_is_refused(world: World) -> None:
    data = world.seal(b"hello " * 300)
    assert len(data) == 8192
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        try:
            assert refused(world, bytes(flipped)), at
        except WrongKeyError:
            pytest.fail(f"byte {at} reads as a wrong key")


def test_flips_with_the_checksum_repaired(world: World) -> None:
    world.amend(Identity(pair("second")))
    data = world.seal(b"x")
    end = int.from_bytes(data[12:16], "big") - 32
    kinds: dict[type[Exception], int] = {}
    for at in range(end):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        flipped[end : end + 32] = hashlib.sha256(flipped[:end]).digest()
        error = refused(world, bytes(flipped))
        assert error, at
        kinds[type(error)] = kinds.get(type(error), 0) + 1
    assert kinds[NoiseError] > 3000


def test_cuts_and_appended_bytes(world: World) -> None:
    data = world.seal(b"x")
    for length in [*range(60), *range(60, len(data), 97), len(data) - 1]:
        assert refused(world, data[:length]), length
    for more in (b"\0", bytes(4096), data):
        assert refused(world, data + more)


def test_another_name_kind_lineage_and_suite(world: World) -> None:
    data = world.seal()
    assert "under this name" in str(refused(world, data, tag="other"))
    other = World(Identity(pair("stranger")))
    assert refused(other, data)
    for at, value in ((32, 2), (11, 1), (11, 3), (9, 2), (49, 1), (53, 1), (55, data[55] + 1)):
        changed = bytearray(data)
        changed[at] = value
        end = int.from_bytes(data[12:16], "big") - 32
        changed[end : end + 32] = hashlib.sha256(changed[:end]).digest()
        assert refused(world, bytes(changed)), at


def test_an_outsider_who_knows_all_public_values(world: World) -> None:
    stranger = SigningKey.from_seed(b"s" * 32)
    writer = Writer(stranger)
    with pytest.raises(NotEntitledError):
        Lineage(world.newest, writer)
    for rights, enrolment in ((Rights.OWNER, bytes(64)), (Rights.WRITER, bytes(64)), (Rights.HOST, os.urandom(64))):
        data = seal_object(forged(world, Writer(stranger, rights, enrolment)), world.data(), b"planted")
        assert isinstance(refused(world, data), NotEntitledError)


def forged(world: World, writer: Writer) -> Lineage:
    """A lineage value as an attacker's own program would have it: unchecked."""
    lineage = object.__new__(Lineage)
    object.__setattr__(lineage, "envelope", world.newest)
    object.__setattr__(lineage, "writer", writer)
    return lineage


def test_enrolments_hold_for_one_key_lineage_and_right(world: World) -> None:
    good = world.host(HOST).writer
    other = World(Identity(pair("stranger")))
    cases = [
        replace(good, key=SigningKey.from_seed(b"s" * 32)),
        replace(good, rights=Rights.WRITER),
        replace(good, rights=Rights.OWNER),
        other.host(HOST).writer,
    ]
    for writer in cases:
        data = seal_object(forged(world, writer), world.data(), b"planted")
        assert isinstance(refused(world, data), NotEntitledError)


def test_a_recipient_who_is_no_writer_changes_nothing(world: World) -> None:
    """Whoever opens an object has all of its keys; what is missing is the signature."""
    reader = Identity(pair("reader"))
    world.amend(reader)
    data = world.seal(os.urandom(3 * SEGMENT))
    keys = open_header(data, world.data(), reader).keys
    opened = open_object(data, len(data), world.data(), reader)
    first, length = keys.header_length, opened.lengths[0]
    room = memoryview(bytearray(sealed_bound(SEGMENT)))
    made = seal_segment_into(keys, Stream.DATA, 0, os.urandom(SEGMENT), room, last=False)
    assert made == length
    replaced = data[:first] + bytes(room[:made]) + data[first + length :]
    assert "not the one that was signed" in str(refused(world, replaced))
    own = Writer(reader.signing_key(SALT))
    sealer = ObjectSealer(forged(world, own), keys, data[:first])  # type: ignore[arg-type]
    body = sealer.seal(b"mine", last=True)
    whole = data[:first] + body + sealer.finish()
    assert isinstance(refused(world, whole), NotEntitledError)
    # The tail of the honest object under a body of the reader's own:
    assert refused(world, data[:first] + body + data[first + sum(opened.lengths) :])


def test_parts_of_two_objects_never_open(world: World) -> None:
    one, two = world.seal(b"a" * 9000, "one"), world.seal(b"b" * 9000, "two")
    assert len(one) == len(two)
    step = 16
    for cut in [*range(0, len(one), 499), *range(len(one) - TRAILER_LENGTH, len(one), step)]:
        if cut:
            assert refused(world, one[:cut] + two[cut:], tag="one"), cut


def test_segments_swapped(world: World) -> None:
    data = world.seal(os.urandom(3 * SEGMENT))
    keys = open_header(data, world.data(), world.owner).keys
    length = SEGMENT + 80
    at = keys.header_length
    swapped = data[:at] + data[at + length : at + 2 * length] + data[at : at + length] + data[at + 2 * length :]
    assert refused(world, swapped)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=20_000))
def test_whatever_bytes_come_none_is_a_traceback(data: bytes) -> None:
    world = WORLD
    assert refused(world, data)
    assert refused(world, b"BKRUNNER\0\1\0\2" + data)


WORLD = World()
SAMPLE = WORLD.seal(b"fuzz " * 2000)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=40), st.booleans())
def test_overwritten_stretches_are_refused(at: int, new: bytes, repair: bool) -> None:
    data = bytearray(SAMPLE)
    data[at : at + len(new)] = new
    if repair:
        end = int.from_bytes(SAMPLE[12:16], "big") - 32
        data[end : end + 32] = hashlib.sha256(data[:end]).digest()
    if data != SAMPLE:
        assert refused(WORLD, bytes(data))


def test_a_raw_key_holder_needs_one_run_of_scrypt_for_both_suites() -> None:
    keyring = Keyring(CryptoKey(b"k" * 32), budget=KdfBudget(units=1))
    identity = Identity.of_keyring(keyring)
    world = World(identity)
    data = world.seal()
    keyring.wrap(bytes(32), SALT)
    opened = open_object(data, len(data), world.data(), keyring)
    assert opened.payload().startswith(b"hello")
    with pytest.raises(DamagedError, match="exceeds the limit of this command"):
        keyring.stretch(bytes(32))
