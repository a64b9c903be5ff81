"""Lengths of sealed segments, as a catalog keeps them."""

from __future__ import annotations

from array import array


def pack_lengths(lengths: list[int]) -> bytes:
    """Sealed segment lengths as little-endian 32-bit integers."""
    packed = array("I", lengths)
    return packed.tobytes()


def unpack_lengths(packed: bytes) -> list[int]:
    lengths = array("I")
    lengths.frombytes(packed)
    return lengths.tolist()
