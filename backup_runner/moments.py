"""Moments as texts and back: nanoseconds since the epoch, ISO 8601, the rules of a time zone.

A zone is a set of rules, not an offset: where none is given, the machine's own rules answer for each moment.
What `local_text` and `utc_text` write, `span_of` reads as a span that holds the moment.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

LOWEST_NS, HIGHEST_NS = -(2**63), 2**63 - 1
"""What catalogs, records and objects can hold: about 1677-09-21 to 2262-04-11."""
_SECOND_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"[T ]\d{2}(?P<minutes>:?\d{2})?(?P<seconds>:?\d{2})?(?:[.,](?P<fraction>\d+))?")


def moment(time_ns: int) -> datetime:
    """The moment in UTC, cut to seconds. By integers: a float of seconds rounds 23:59:59.999999999 up."""
    return _EPOCH + timedelta(seconds=time_ns // _SECOND_NS)


def local(time_ns: int, zone: tzinfo | None = None) -> datetime:
    """The moment on the clocks of a zone, cut to seconds; None: the machine's zone and its rules at that moment."""
    return moment(time_ns).astimezone(zone)


def local_text(time_ns: int, *, exact: bool = False) -> str:
    """`2026-11-23 09:02:03`; with its offset in the hour that the end of daylight saving repeats; `exact`: with
    nanoseconds."""
    at = local(time_ns)
    naive = at.replace(tzinfo=None)
    twice = naive.replace(fold=0).astimezone() != naive.replace(fold=1).astimezone()
    fraction = f".{time_ns % _SECOND_NS:09}" if exact else ""
    return naive.isoformat(" ") + fraction + (at.isoformat()[19:] if twice else "")


def utc_text(time_ns: int) -> str:
    """`2026-11-23T09:02:03.000000001Z`: the very moment."""
    return f"{moment(time_ns):%Y-%m-%dT%H:%M:%S}.{time_ns % _SECOND_NS:09}Z"


def time_ns_of(text: str) -> int:
    """The inverse of `utc_text`."""
    return _ns(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)) + int(text[20:-1] or 0)


def span_of(text: str) -> tuple[int, int]:
    """The first and the last nanosecond of what a text names: a date all of that day, `14:30` all of that minute, and
    so on down to fractions of a second. Without an offset, local time, the later one where clocks show it twice.
    Raises ValueError."""
    given = datetime.fromisoformat(text)
    time = _TIME.search(text)
    try:
        if time is None:
            return _ns(given.astimezone()), _ns((given + timedelta(days=1)).astimezone()) - 1
        fraction = time["fraction"] or ""
        given = given.replace(microsecond=0)
        if given.tzinfo is None:
            given = max(given.replace(fold=fold).astimezone() for fold in (0, 1))
        start = _ns(given)
    except OverflowError:
        raise ValueError(f"{text!r} is outside the supported years") from None
    if fraction:
        digits = fraction[:9]
        step = int(10 ** (9 - len(digits)))
        return start + int(digits) * step, start + (int(digits) + 1) * step - 1
    seconds = 1 if time["seconds"] else 60 if time["minutes"] else 3600
    return start, start + seconds * _SECOND_NS - 1


def _ns(at: datetime) -> int:
    passed = at - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * _SECOND_NS + passed.microseconds * 1000


def within_range(time_ns: int) -> int:
    """The time, or the nearest one that can be kept."""
    return min(max(time_ns, LOWEST_NS), HIGHEST_NS)


def from_seconds(seconds: float) -> int:
    """What others state in seconds since the epoch, in nanoseconds: the nearest that can be kept, 0 for none."""
    if seconds != seconds:
        return 0
    return within_range(round(min(max(seconds, -1e10), 1e10) * 1e9))
