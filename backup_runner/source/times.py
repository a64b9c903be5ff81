"""Times of files: file systems support dates that do not fit into 64-bit nanoseconds, as in catalogs and objects."""

from __future__ import annotations

import os

from ..moments import local_text, within_range
from ..records import Problem


def kept_times(status: os.stat_result) -> tuple[int, int]:
    """mtime and ctime, or the nearest possible times; the scan reports files for which they differ."""
    return within_range(status.st_mtime_ns), within_range(status.st_ctime_ns)


def odd_times(key: bytes, status: os.stat_result) -> Problem:
    """The problem that a file is stored with a time other than its own."""
    mtime = within_range(status.st_mtime_ns) != status.st_mtime_ns
    name, time_ns = ("modified", status.st_mtime_ns) if mtime else ("ctime", status.st_ctime_ns)
    try:
        date = local_text(time_ns)
    except (OverflowError, ValueError):
        date = f"@{time_ns // 10**9}"
    return Problem(
        key, "time", f"{name} {date}: only times from 1677 to 2262 are supported; stored with the nearest one"
    )
