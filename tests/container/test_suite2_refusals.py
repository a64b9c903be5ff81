"""What somebody entitled but faulty, or an insider, could seal: authentic bytes that are still refused."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import zstandard

from backup_runner.container import Index, IndexEntry, Stream, open_object
from backup_runner.container import segment as segment1
from backup_runner.container.segment import MAC_LENGTH, Codec, sealed_bound
from backup_runner.container.suite2 import segment as segment2
from backup_runner.container.suite2.header import ObjectKeys, new_header
from backup_runner.container.suite2.index import seal_stream, seal_tail
from backup_runner.container.suite2.padding import padded, step_at
from backup_runner.container.suite2.primitives import encrypt_blocks, keyed, keystream, sha256
from backup_runner.container.suite2.segment import HEAD, open_segment, seal_segment_into, sealed_length
from backup_runner.container.suite2.trailer import TRAILER_LENGTH, Lengths, seal_trailer
from backup_runner.errors import DamagedError

from .lineages import SEGMENT, World

WORLD = World()


def opened(data: bytes) -> bytes:
    found = open_object(data, len(data), WORLD.data(), WORLD.owner)
    assert list(found.check()) == []
    return found.payload()


@pytest.fixture
def head() -> tuple[bytes, ObjectKeys]:
    return new_header(WORLD.lineage(), WORLD.data(), segment_size=SEGMENT)


def tail_of(keys: ObjectKeys, index: bytes, segments: list[bytes], data_sealed: int, /, **changes: object) -> bytes:
    """A tail like `seal_tail`'s, with some of the trailer's lengths, the padding or the digest as a test wants them."""
    sealed = sum(map(len, segments))
    bare = keys.header_length + data_sealed + sealed + TRAILER_LENGTH
    total = padded(bare)
    lengths = Lengths(0, data_sealed, 1, len(segments), len(index), sealed, total - bare, total)
    digest = changes.pop("digest", sha256(*(segment[-MAC_LENGTH:] for segment in segments)))
    padding = changes.pop("stream", keystream(keys.padding_key, keys.header_digest, lengths.padding))
    more = changes.pop("more", 0)
    assert isinstance(more, int)
    if more:
        padding = keystream(keys.padding_key, keys.header_digest, lengths.padding + more)
        lengths = lengths._replace(padding=lengths.padding + more, total=lengths.total + more)
    lengths = lengths._replace(**changes)
    assert isinstance(padding, bytes)
    assert isinstance(digest, bytes)
    return b"".join((*segments, padding, seal_trailer(keys, WORLD.lineage(), lengths, digest)))


def whole(head: tuple[bytes, ObjectKeys], change_index: Callable[[bytes], bytes] = bytes, **changes: object) -> bytes:
    header, keys = head
    data = seal_stream(keys, Stream.DATA, b"")
    index = segment_index(keys, data)
    plain = change_index(index)
    segments = seal_stream(keys, Stream.INDEX, plain)
    return header + b"".join(data) + tail_of(keys, plain, segments, sum(map(len, data)), **changes)


def segment_index(keys: ObjectKeys, data: list[bytes]) -> bytes:
    from backup_runner.container.index import encode_index

    macs = b"".join(segment[-MAC_LENGTH:] for segment in data)
    return encode_index(keys, Index(0, [len(segment) for segment in data], (), macs))


def test_the_harness_seals_what_opens(head: tuple[bytes, ObjectKeys]) -> None:
    assert opened(whole(head)) == b""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data_length": 1}, "index and trailer disagree"),
        ({"data_segments": 2}, "index and trailer disagree"),
        ({"data_sealed": 81}, "lengths of padding|was sealed with"),
        ({"index_segments": 2}, "index segments damaged"),
        ({"index_segments": 0}, "index segments damaged"),
        ({"index_length": 1}, "index and trailer disagree"),
        ({"index_length": 10_000}, "index and trailer disagree"),
        ({"index_length": (256 << 20) + 1}, "out of bounds"),
        ({"total": 4096}, "was sealed with"),
        ({"digest": bytes(32)}, "not those that were signed"),
        ({"stream": b""}, "was sealed with"),
    ],
)
def test_trailers_that_are_signed_and_false(
    head: tuple[bytes, ObjectKeys], changes: dict[str, object], said: str
) -> None:
    with pytest.raises(DamagedError, match=said):
        opened(whole(head, **changes))


def test_padding_altered_longer_or_shorter(head: tuple[bytes, ObjectKeys]) -> None:
    honest = whole(head)
    at = len(honest) - TRAILER_LENGTH - 1
    with pytest.raises(DamagedError, match="padding altered"):
        opened(honest[:at] + bytes([honest[at] ^ 1]) + honest[at + 1 :])
    for more in (4096, -16, 1):
        with pytest.raises(DamagedError, match="lengths of padding"):
            opened(whole(head, more=more))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"macs":"', b'"macs":"AAAA', "more or fewer MACs|cannot be read"),
        (b'"version":2', b'"version":1', "another format"),
        (b'"kind":"data"', b'"kind":"copies"', "kind"),
        (b'"segments":[80]', b'"segments":[80,80]', "number of segments"),
        (b'"segments":[80]', b'"segments":[81]', "disagree"),
        (b'"plaintext":0', b'"plaintext":1', "disagree"),
        (b'"contents":0', b'"contents":1', "number of contents"),
    ],
)
def test_indexes_that_are_signed_and_false(head: tuple[bytes, ObjectKeys], old: bytes, new: bytes, said: str) -> None:
    def changed(index: bytes) -> bytes:
        assert old in index
        return index.replace(old, new)

    with pytest.raises(DamagedError, match=said):
        opened(whole(head, changed))


@pytest.mark.parametrize("pieces", ['[["00",1]]', '[["' + "0" * 64 + '",-1]]', "[[1]]", "{}", "[1]", '[["zz",1]]'])
def test_pieces_that_cannot_be(head: tuple[bytes, ObjectKeys], pieces: str) -> None:
    line = f'{{"size":1,"pieces":{pieces}}}\n'.encode()
    with pytest.raises(DamagedError, match="index cannot be read"):
        opened(whole(head, lambda index: index.replace(b'"contents":0', b'"contents":1') + line))


def test_mac_lists_too_long_or_too_short() -> None:
    header, keys = new_header(WORLD.lineage(), WORLD.data(), segment_size=SEGMENT)
    data = seal_stream(keys, Stream.DATA, os.urandom(2 * SEGMENT))
    macs = [segment[-MAC_LENGTH:] for segment in data]
    lists = {0: b"", 1: macs[0], 3: b"".join(macs) + macs[0]}
    for count, listed in lists.items():
        index = Index(2 * SEGMENT, [len(segment) for segment in data], (), listed)
        with pytest.raises(DamagedError, match="more or fewer MACs"):
            opened(header + b"".join(data) + seal_tail(keys, WORLD.lineage(), index).data)
        assert count != 2
    swapped = Index(2 * SEGMENT, [len(segment) for segment in data], (), macs[1] + macs[0])
    found = header + b"".join(data) + seal_tail(keys, WORLD.lineage(), swapped).data
    with pytest.raises(DamagedError, match="not the one that was signed"):
        open_object(found, len(found), WORLD.data(), WORLD.owner).payload()


def test_a_trailer_of_another_object() -> None:
    one, two = WORLD.seal(b"x", "object"), WORLD.seal(b"x", "other")
    with pytest.raises(DamagedError, match="of another object"):
        opened(one[:-TRAILER_LENGTH] + two[-TRAILER_LENGTH:])


def authentic(keys: ObjectKeys, head: tuple[int, ...], encoded: bytes, padding: bytes | None = None) -> bytes:
    """A segment with a right MAC around whatever a faulty writer put in."""
    plain = HEAD.pack(*head) + encoded
    count = 16 - len(plain) % 16
    covered = bytes(16) + encrypt_blocks(
        keys.cipher_key, bytes(16), plain + (bytes([count]) * count if padding is None else padding)
    )
    return covered + keyed(keys.mac_key, keys.header_digest, covered)


FRAME = zstandard.compress(bytes(range(100)))


@pytest.mark.parametrize(
    ("head_", "encoded", "said"),
    [
        ((1, 1, 0, 0, 0, 20, 20), bytes(20), ""),
        ((2, 1, 0, 0, 0, 20, 20), bytes(20), "another segment"),
        ((1, 0, 0, 0, 0, 20, 20), bytes(20), "another segment"),
        ((1, 1, 0, 0, 1, 20, 20), bytes(20), "another segment"),
        ((1, 1, 0, 1, 0, 20, 20), bytes(20), "another segment"),
        ((1, 1, 2, 0, 0, 20, 20), bytes(20), "unknown codec"),
        ((1, 1, 0, 0, 0, 21, 20), bytes(20), "wrong length"),
        ((1, 1, 0, 0, 0, 20, 21), bytes(20), "wrong length"),
        ((1, 1, 0, 0, 0, SEGMENT + 1, 20), bytes(20), "too long"),
        ((1, 1, 1, 0, 0, 100, len(FRAME)), FRAME, ""),
        ((1, 1, 1, 0, 0, 99, len(FRAME)), FRAME, "compressed frame has the wrong length"),
        ((1, 1, 1, 0, 0, 100, len(FRAME) + 1), FRAME + b"x", "decompressed"),
        ((1, 1, 1, 0, 0, 100, len(FRAME) - 3), FRAME[:-3], "decompressed"),
        ((1, 1, 1, 0, 0, 100, 2000), zstandard.compress(bytes(1 << 26))[:2000], "wrong length"),
    ],
)
def test_authentic_segments_of_a_faulty_writer(
    head: tuple[bytes, ObjectKeys], head_: tuple[int, ...], encoded: bytes, said: str
) -> None:
    sealed = authentic(head[1], head_, encoded)
    if not said:
        assert len(open_segment(head[1], Stream.DATA, 0, sealed, last=True)) == head_[5]
        return
    with pytest.raises(DamagedError, match=said):
        open_segment(head[1], Stream.DATA, 0, sealed, last=True)


@pytest.mark.parametrize("padding", [bytes(12), b"\1" * 11 + b"\2", b"\x0d" * 12, b"\x11" * 12])
def test_wrong_padding_of_a_block(head: tuple[bytes, ObjectKeys], padding: bytes) -> None:
    sealed = authentic(head[1], (1, 1, 0, 0, 0, 20, 20), bytes(20), padding)
    with pytest.raises(DamagedError, match=r"wrong padding|wrong length"):
        open_segment(head[1], Stream.DATA, 0, sealed, last=True)


def test_short_segments_before_the_last(head: tuple[bytes, ObjectKeys]) -> None:
    sealed = authentic(head[1], (1, 0, 0, 0, 0, 20, 20), bytes(20))
    with pytest.raises(DamagedError, match="too short"):
        open_segment(head[1], Stream.DATA, 0, sealed, last=False)
    room = memoryview(bytearray(2 * SEGMENT))
    for size, last in ((20, False), (SEGMENT + 1, True)):
        with pytest.raises(ValueError, match="segment 0"):
            seal_segment_into(head[1], Stream.DATA, 0, bytes(size), room, last=last)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, SEGMENT - 1, SEGMENT])
def test_lengths_as_the_first_block_tells_them(head: tuple[bytes, ObjectKeys], size: int) -> None:
    room = memoryview(bytearray(b"x" * (100 + sealed_bound(size))))
    for plain in (os.urandom(size), bytes(size)):
        length = seal_segment_into(head[1], Stream.DATA, 0, plain, room[100:], last=True)
        assert bytes(room[:100]) == b"x" * 100
        sealed = room[100 : 100 + length]
        assert sealed_length(head[1], sealed[:32]) == (length, True)
        assert open_segment(head[1], Stream.DATA, 0, sealed, last=True) == plain
        assert length <= sealed_bound(size)


def test_no_content_of_its_own_is_compressed_unasked(head: tuple[bytes, ObjectKeys]) -> None:
    room = memoryview(bytearray(2 * SEGMENT))
    assert seal_segment_into(head[1], Stream.DATA, 0, bytes(SEGMENT), room, last=True) < 200
    assert seal_segment_into(head[1], Stream.DATA, 0, bytes(SEGMENT), room, last=True, compress=False) > SEGMENT
    assert segment2.Codec is segment1.Codec is Codec


def test_padding_hides_the_number_of_small_files() -> None:
    """Bytes beyond the header tell nothing but the padded size: with 1 file or 20, the objects look alike."""
    entry = IndexEntry(0, bytes(16), bytes(32), 0, 0, path=b"some/path")
    from backup_runner.container.suite2.sealer import seal_object

    sizes = {len(seal_object(WORLD.lineage(), WORLD.data(), b"", entries=[entry] * count)) for count in (0, 1, 10, 20)}
    assert len(sizes) == 1


@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 100_000, (1 << 20) + 1, 33_600_000])
def test_padme(length: int) -> None:
    total = padded(length)
    assert length <= total < length + step_at(length)
    assert padded(total) == total
    assert total - length <= max(4096, length * 0.12)


def test_the_average_of_padding_near_a_pack() -> None:
    lengths = range(32 << 20, 36 << 20, 99_991)
    assert sum(padded(length) / length - 1 for length in lengths) / len(lengths) < 0.016
