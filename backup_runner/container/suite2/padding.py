"""How long objects are: Padmé's steps, so that a size tells little (docs/format.md, Padding and trailer)."""

from __future__ import annotations

LEAST = 4096


def padded(length: int) -> int:
    """The length of an object with `length` bytes of header, segments and trailer."""
    step = step_at(length)
    return -(-length // step) * step


def step_at(length: int) -> int:
    """How far apart the padded lengths around `length` are."""
    exponent = length.bit_length() - 1
    return max(LEAST, 1 << exponent - exponent.bit_length())
