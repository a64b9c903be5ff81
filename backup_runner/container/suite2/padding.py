"""The padded length of objects, in Padmé's steps, so that a size reveals little (docs/format.md, Padding and
trailer)."""

from __future__ import annotations

LEAST = 4096


def padded(length: int) -> int:
    """The length of an object with `length` bytes of header, segments and trailer."""
    step = step_at(length)
    return -(-length // step) * step


def step_at(length: int) -> int:
    """The distance between padded lengths around `length`."""
    exponent = length.bit_length() - 1
    return max(LEAST, 1 << exponent - exponent.bit_length())
