"""The cutter: same cuts whatever the reads, cuts that heal behind a change, pieces within bounds for any data."""

from __future__ import annotations

import os
import random
from itertools import pairwise
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.contents.chunking import Cutter
from backup_runner.contents.cutting import Cutting, FileCut
from backup_runner.policy import GIB, MIB, PieceSizes, StoringPolicy
from backup_runner.records import unpack_pieces

SIZES = PieceSizes(256, 512, 2048)
SEED = b"s" * 32
DATA = random.Random(5).randbytes(200_000)
DATAS = st.one_of(
    st.binary(max_size=30_000),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(0, 99), st.integers(0, 60_000)),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=40), st.integers(0, 3000)),
    st.builds(lambda byte, times: bytes([byte]) * times, st.integers(0, 255), st.integers(0, 60_000)),
)


def cuts(data: bytes, seed: bytes = SEED) -> list[int]:
    return [end for _, end in Cutter(seed, SIZES).cuts(data, 0, len(data), last=True)]


@given(data=DATAS)
@settings(max_examples=200, deadline=None)
def test_pieces_are_within_bounds_whatever_the_data(data: bytes) -> None:
    ends = cuts(data)
    assert ends == sorted(ends)
    assert (ends[-1] if ends else 0) == len(data)
    lengths = [end - start for start, end in pairwise([0, *ends])]
    assert all(length <= SIZES.maximum for length in lengths)
    assert all(length >= SIZES.minimum for length in lengths[:-1])


@given(at=st.integers(0, len(DATA)), gone=st.integers(0, 5000), new=st.binary(max_size=5000), seed=st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_all_but_a_bounded_stretch_is_cut_as_before(at: int, gone: int, new: bytes, seed: int) -> None:
    """Insert, delete, replace: `gone` bytes at `at` make place for others."""
    key = bytes([seed]) * 32
    gone = min(gone, len(DATA) - at)
    changed = DATA[:at] + new + DATA[at + gone :]
    shift = len(new) - gone
    before, after = set(cuts(DATA, key)), set(cuts(changed, key))
    bound = 3 * SIZES.maximum
    assert {cut for cut in before if cut <= at} - after <= {len(DATA)}
    expected = {cut + shift for cut in before if cut >= at + gone + bound}
    found = {cut for cut in after if cut >= at + len(new) + bound}
    # On random data cuts meet again within a few pieces; the last of these lies within the bound.
    assert expected == found


def test_cuts_depend_on_the_seed() -> None:
    assert len(set(cuts(DATA)) & set(cuts(DATA, b"t" * 32))) < 20


def test_zeros_are_cut_at_the_maximum() -> None:
    assert cuts(bytes(10 * SIZES.maximum)) == [SIZES.maximum * number for number in range(1, 11)]


def numbers(size: int) -> bytes:
    """A signal that moves little from one value to the next."""
    chance, value, found = random.Random(3), 0, bytearray()
    while len(found) < size:
        value += chance.randrange(-3, 4)
        found += (value & 0xFFFF).to_bytes(2, "little")
    return bytes(found)


KINDS = {
    "random": random.Random(1).randbytes(8 * MIB),
    "hex": random.Random(1).randbytes(4 * MIB).hex().encode(),
    "lines": b"".join(b"2026-11-%02d host-%d: request %d took %d ms, status 200\n" % (n % 30, n % 7, n * n, n % 997)
                      for n in range(150_000)),
    "signal": numbers(4 * MIB),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_average_is_as_asked(kind: str) -> None:
    """Whatever the data looks like: a weak hash would have most pieces cut at the maximum."""
    data = KINDS[kind]
    sizes = PieceSizes(4096, 8192, 65536)
    number = sum(1 for _ in Cutter(SEED, sizes).cuts(data, 0, len(data), last=True))
    assert 0.85 < len(data) / number / sizes.average < 1.25


def reading(
    path: Path, policy: StoringPolicy, seed: bytes = SEED
) -> tuple[list[bytes | None], tuple[bytes, bytes | None, bytes]]:
    fd = os.open(path, os.O_RDONLY)
    try:
        cut = FileCut(Cutting(seed, policy), fd, os.fstat(fd))
        for pieces in cut.windows():
            for piece in pieces:
                cut.took(blake3(piece).digest(), len(piece))
        assert cut.size == os.fstat(fd).st_size
        found = cut.digests()
        return [piece.blake3 for piece in unpack_pieces(found[2])], found
    finally:
        os.close(fd)


POLICY = StoringPolicy(pieces=SIZES, window=4096, hole=4096, skipped_zeros=1 << 20, small=1000)


@pytest.mark.parametrize("most", [1, 7, 100, 5000, 1 << 20])
def test_cuts_are_the_same_whatever_a_read_gives(tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA[:50_000])
    expected, digests = reading(path, POLICY)
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, rooms, at: real(fd, [rooms[0][:most]], at))
    for window in (4096, 5001, 1 << 16):
        assert reading(path, StoringPolicy(pieces=SIZES, window=window)) == (expected, digests)


def test_holes_are_runs_of_zeros_and_hashed_all_the_same(tmp_path: Path) -> None:
    """As far as that takes no time: with more of them, the list of pieces is what identifies the file."""
    path, whole = tmp_path / "holes", tmp_path / "whole"
    for size, hashed in ((1 << 18, True), (1 << 22, False)):
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(size // 2)
            file.write(DATA[:10_000])
        whole.write_bytes(path.read_bytes())
        (strong, weak, packed), (same, weak_too, _) = reading(path, POLICY)[1], reading(whole, POLICY)[1]
        assert (strong == same, weak == weak_too, weak is None) == (hashed, hashed, not hashed)
        runs = [piece.size for piece in unpack_pieces(packed) if piece.blake3 is None]
        assert sum(runs) >= size - 10_000 - 2 * 4096
        assert len(runs) == 2
        assert sum(piece.size for piece in unpack_pieces(packed)) == size


def test_a_terabyte_of_nothing_is_one_row(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert [piece.size for piece in unpack_pieces(reading(path, StoringPolicy())[1][2])] == [1 << 40]


def test_pieces_grow_with_very_large_files() -> None:
    policy = StoringPolicy()
    averages = [
        policy.sizes_for(size).average >> 10 for size in (MIB, 16 * GIB - 1, 16 * GIB, 64 * GIB, 1024 * GIB, 1 << 60)
    ]
    assert averages == [160, 160, 320, 640, 2560, 2560]
    assert 2 * policy.sizes_for(1 << 60).maximum <= policy.pack_bytes
