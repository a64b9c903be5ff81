"""Packs are closed where little of them is padding, and within their limits."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from blake3 import blake3

from backup_runner.container import IndexEntry
from backup_runner.policy import KIB, MIB, StoringPolicy
from backup_runner.repository.packing import Builder, Room, Sealed, Threads
from backup_runner.repository.sealing import Sealing
from tests.container.lineages import World

POLICY = StoringPolicy(pack_bytes=16 * MIB)
PACKS = 6


def contents(rest: random.Random, *, small: bool, dense: bool) -> Iterator[bytes]:
    while True:
        size = rest.randrange(20_000) if small else rest.randrange(128 * KIB, 384 * KIB)
        yield rest.randbytes(size) if dense else b"%x" % rest.getrandbits(4 * size + 8)


def packs(policy: StoringPolicy, source: Iterator[bytes], threads: Threads | None) -> Iterator[tuple[Builder, Sealed]]:
    sealing, room = Sealing(World().lineage()), Room(policy.pack_bytes)
    while True:
        builder = Builder(sealing.data(), room)
        while not builder.is_full(policy):
            data = next(source)
            at = builder.add(data, threads)
            builder.entries.append(IndexEntry(len(data), None, blake3(data).digest(), at, len(data)))
        assert builder.plain < policy.pack_bytes + MIB
        yield builder, builder.finish()


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("beside", [True, False])
def test_little_is_padded(*, small: bool, dense: bool, beside: bool) -> None:
    """Without looking for a place to close, 1.5 % of a pack is padding on average."""
    source = contents(random.Random(7), small=small, dense=dense)
    threads = Threads(2) if beside else None
    made = packs(POLICY, source, threads)
    found = [next(made)[1] for _ in range(PACKS)]
    size = sum(sealed.size for sealed in found)
    bare = sum(sealed.size - sealed.padding for sealed in found)
    if threads:
        threads.close()
    assert bare < size < bare * 1.005


def test_many_tiny_contents_close_a_pack() -> None:
    policy = StoringPolicy(pack_contents=100)
    builder, _ = next(packs(policy, (b"%d" % number for number in range(1000)), None))
    assert 85 <= len(builder.entries) <= 100
