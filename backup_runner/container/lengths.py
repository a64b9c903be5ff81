"""Lengths of sealed segments in the catalog's form."""

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
