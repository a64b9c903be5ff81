"""Formats numbers for people: sizes in binary units, durations, times in the local zone."""

from __future__ import annotations

from datetime import UTC, datetime

from .. import moments

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(number: float) -> str:
    """Bytes, with at most three digits per unit: `0 B`, `1.5 KiB`, `12 MiB`."""
    value = float(number)
    for unit in _UNITS:
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1024
    if unit == "B" or abs(value) >= 9.95:
        return f"{value:.0f} {unit}"
    return f"{value:.1f} {unit}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """`1 file`, `1,234 files`; the number alone without a noun."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`0.3 s`, `12 s`, `3 min 05 s`, `2 h 03 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02} min"


def rate(number: float, seconds: float) -> str:
    """Bytes per second; empty if there is too little data or time."""
    return f"{size(number / seconds)}/s" if seconds >= 0.05 and number >= 1 << 20 else ""


def local_time(time_ns: int) -> str:
    """Nanoseconds since the epoch as `2026-11-23 09:02:03` in the local zone."""
    return _moment(time_ns).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def iso_time(time_ns: int) -> str:
    """Nanoseconds since the epoch as ISO 8601 in UTC, whole seconds: `2026-11-23T09:02:03Z`."""
    return _moment(time_ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_local(iso: str, *, exact: bool = False) -> str:
    """Output of `iso_time` or `moments.utc_text`, in local time."""
    return moments.local_text(moments.time_ns_of(iso), exact=exact)


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
