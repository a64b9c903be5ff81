"""Retention against an independent reading of local calendars: zoneinfo says what was on the clock, sets do the rest.

Each zone is asked both ways: handed in, and as the machine's own (`TZ`), where the system's rules answer.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from backup_runner.planning.retention import SnapshotTime, expire
from backup_runner.spec import Retention

FULL = os.environ.get("PROOF") == "full"
HISTORIES = 10_000 if FULL else 400
ZONES = (
    "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Moscow", "Europe/Istanbul", "Africa/Casablanca",
    "Africa/Cairo", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Pyongyang", "Pacific/Apia",
    "Pacific/Kiritimati", "Australia/Lord_Howe", "Australia/Sydney", "America/New_York", "America/Sao_Paulo",
    "America/Havana", "Antarctica/Troll",
)  # fmt: skip
SECOND = 10**9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RULES = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_within")

Period = Callable[[datetime], Hashable]
PERIODS: dict[str, Period] = {
    "keep_hourly": lambda at: (at.date(), at.hour, at.utcoffset()),
    "keep_daily": lambda at: at.timetuple()[:3],
    "keep_weekly": lambda at: tuple(at.isocalendar())[:2],
    "keep_monthly": lambda at: at.timetuple()[:2],
    "keep_yearly": lambda at: at.timetuple()[0],
}


def on_the_clock(time_ns: int, zone: ZoneInfo) -> datetime:
    return (EPOCH + timedelta(microseconds=time_ns // 1000)).astimezone(zone)


def by_rules(complete: list[SnapshotTime], rules: Retention, now_ns: int, zone: ZoneInfo) -> set[int]:
    if not complete:
        return set()
    ids = sorted(one.id for one in complete)
    kept = {ids[-1], *(ids[-rules.keep_last :] if rules.keep_last else [])}
    for name, period in PERIODS.items():
        last: dict[Hashable, int] = {}
        for one in complete:
            found = period(on_the_clock(one.time_ns, zone))
            last[found] = max(one.id, last.get(found, 0))
        count = getattr(rules, name)
        kept.update(sorted(last.values())[-count:] if count else [])
    newest = next(one for one in complete if one.id == ids[-1])
    start = min(newest.time_ns, now_ns) - rules.keep_within * SECOND
    return kept | {one.id for one in complete if rules.keep_within and one.time_ns >= start}


def read_independently(snapshots: list[SnapshotTime], rules: Retention, now_ns: int, zone: ZoneInfo) -> set[int]:
    complete = [one for one in snapshots if one.status == "complete"]
    sure = [one for one in complete if not one.doubtful]
    kept = by_rules(sure, rules, now_ns, zone)
    kept |= by_rules(complete, rules, now_ns, zone) & {one.id for one in complete if one.doubtful}
    newest = max((one.id for one in sure), default=0)
    kept |= {one.id for one in snapshots if one.status == "partial" and one.id > newest}
    return kept | {one.id for one in snapshots if one.status in ("running", "rebuilt")}


def changes_of(zone: ZoneInfo) -> list[int]:
    """Seconds at which the zone's offset changes, from 1970 to 2040."""
    found = []
    at, end = EPOCH, datetime(2040, 1, 1, tzinfo=UTC)
    while at < end:
        following = at + timedelta(days=7)
        low, high = at, following
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same and middle > low else (low, middle)
                if high <= low:
                    break
            found.append(int((high - EPOCH).total_seconds()))
        at = following
    return found


def moments_of(chance: random.Random, changes: list[int]) -> Iterator[int]:
    """Nanoseconds: about one change of offset, a New Year, an ordinary day, or wherever a broken clock stood."""
    around = chance.choice(
        [
            chance.choice(changes or [0]),
            int(datetime(chance.randrange(1975, 2060), 1, 1, tzinfo=UTC).timestamp()),
            chance.randrange(0, 2**31),
        ]
    )
    spread = chance.choice([7200, 86_400, 86_400 * 40, 86_400 * 900])
    while True:
        if chance.random() < 0.05:
            yield chance.choice([0, -1, -(2**62), 2**62, chance.randrange(-(2**63), 2**63)])
            continue
        step = chance.choice([chance.randrange(-spread, spread), 3600 * chance.randrange(-30, 30), -1, 0, 1])
        yield (around + step) * SECOND + chance.choice([0, 0, 999_999_999, 1])


def made_up(chance: random.Random, changes: list[int]) -> tuple[list[SnapshotTime], Retention, int]:
    moments = moments_of(chance, changes)
    statuses = ["complete"] * 6 + ["partial", "running", "rebuilt"]
    snapshots = [
        SnapshotTime(number, next(moments), chance.choice(statuses), chance.random() < 0.1)
        for number in range(1, chance.randrange(2, 40))
    ]
    chance.shuffle(snapshots)
    values = {name: chance.choice([0, 0, 1, 2, 3, 7]) for name in RULES[:-1]}
    values["keep_within"] = chance.choice([0, 0, 3600, 86_400, chance.randrange(1, 86_400 * 400)])
    if not any(values.values()):
        values[chance.choice(RULES)] = 1
    return snapshots, Retention(**values), next(moments)


@pytest.fixture
def machine_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.proof
@pytest.mark.parametrize("name", ZONES)
def test_agrees_with_the_local_calendar(name: str, machine_in: Callable[[str], None]) -> None:
    zone, chance = ZoneInfo(name), random.Random(name)
    changes = changes_of(zone)
    machine_in(name)
    for number in range(HISTORIES // len(ZONES)):
        snapshots, rules, now_ns = made_up(chance, changes)
        expected = read_independently(snapshots, rules, now_ns, zone)
        for asked in (zone, None):
            found = expire(snapshots, rules, now_ns, asked)
            assert {key for key, reasons in found.items() if reasons} == expected, (number, asked, rules, snapshots)


def test_the_machine_without_tz_has_the_systems_zone(
    machine_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a zone that is written out, with rules and without a name."""
    machine_in("CET-1CEST,M3.5.0,M10.5.0/3")
    spans: Iterable[int] = (
        int(datetime(2026, 7, 31, 22, 30, tzinfo=UTC).timestamp()),
        int(datetime(2026, 12, 31, 22, 30, tzinfo=UTC).timestamp()),
    )
    snapshots = [SnapshotTime(number, at * SECOND, "complete") for number, at in enumerate(spans, start=1)]
    assert expire(snapshots, Retention(keep_monthly=2), 2**62, None)[1] == ["keep_monthly 2026-08"]
    monkeypatch.delenv("TZ")
    time.tzset()
    assert all(expire(snapshots, Retention(keep_monthly=2), 2**62, None).values())
