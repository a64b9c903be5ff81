"""Parses byte rates, sizes and durations of job files."""

from __future__ import annotations

import re
from decimal import Decimal

RATE_PATTERN = r"^[1-9][0-9]{0,8}(\.[0-9]{1,3})?(B|kB|MB|GB|KiB|MiB|GiB)/s$"
"""A number, a unit (decimal or binary) and "/s": 10MiB/s, 1.5MB/s, 500kB/s."""

DURATION_PATTERN = r"^([1-9][0-9]{0,4}[hdwy]){1,4}$"
"""Hours, days, weeks and years of 365 days: 12h, 7d, 2w3d, 1y. No "m": minutes or months?"""

SIZE_PATTERN = r"^[1-9][0-9]{0,8}(\.[0-9]{1,3})?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
"""A number and a unit, decimal or binary: 4GiB, 500MB, 1.5TB."""

_UNITS = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TB": 1000**4,
    "TiB": 1024**4,
}
_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def parse_rate(text: str) -> int:
    """Bytes per second, rounded down. Raises ValueError."""
    if not re.fullmatch(RATE_PATTERN, text):
        raise ValueError(f"not a byte rate: {text!r}")
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]+)/s", text).groups()  # type: ignore[union-attr]
    return int(Decimal(number) * _UNITS[unit])


def parse_size(text: str) -> int:
    """Bytes, rounded down. Raises ValueError."""
    if not re.fullmatch(SIZE_PATTERN, text):
        raise ValueError(f"not a size: {text!r}")
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]+)", text).groups()  # type: ignore[union-attr]
    return int(Decimal(number) * _UNITS[unit])


def parse_duration(text: str) -> int:
    """Seconds. Raises ValueError."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"not a duration: {text!r}")
    return sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"([0-9]+)([hdwy])", text))
