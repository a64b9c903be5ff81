"""Hand-worked cases: `golden/*.txt` says for each snapshot which rules keep it.

A case is its name, the rules, the zone (UTC if not said), the clock (the last snapshot's time if not said)
and a line a snapshot: id, local time, status, expected reasons.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from glob import glob
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from backup_runner.planning.retention import SnapshotTime, expire
from backup_runner.spec import Retention

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Case(NamedTuple):
    name: str
    rules: Retention
    zone: ZoneInfo
    now_ns: int
    snapshots: list[SnapshotTime]
    expected: dict[int, list[str]]


def nanoseconds(text: str, zone: ZoneInfo) -> int:
    moment = datetime.fromisoformat(text)
    assert moment.utcoffset() == moment.astimezone(zone).utcoffset(), f"{text} is not local time in {zone}"
    whole = (moment.replace(microsecond=0) - EPOCH).total_seconds()
    fraction = text.partition(".")[2].partition("Z")[0]
    return int(whole) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def parse_rules(text: str) -> Retention:
    counts = {}
    for name, value in (word.split("=") for word in text.split()):
        counts[name] = int(value[:-1]) * UNITS[value[-1]] if value[-1] in UNITS else int(value)
    return Retention(**counts)


def parse(block: str) -> Case:
    lines = [line for line in block.strip().splitlines() if not line.startswith("#")]
    settings = {word: rest for word, _, rest in (line.partition(" ") for line in lines) if not word.isdigit()}
    zone = ZoneInfo(settings.get("zone", "UTC"))
    snapshots, expected = [], {}
    for line in lines:
        if line[0].isdigit():
            head, reasons = line.split(": ")
            number, time, status = head.split()
            snapshots.append(SnapshotTime(int(number), nanoseconds(time, zone), status))
            expected[int(number)] = [] if reasons == "expired" else reasons.split("; ")
    now_ns = nanoseconds(settings["now"], ZoneInfo("UTC")) if "now" in settings else 0
    if "now" not in settings and snapshots:
        now_ns = snapshots[-1].time_ns
    return Case(settings["case"], parse_rules(settings["rules"]), zone, now_ns, snapshots, expected)


def cases() -> list[Case]:
    found = []
    for path in sorted(glob(os.path.join(os.path.dirname(__file__), "golden", "*.txt"))):
        with open(path, encoding="ascii") as file:
            found += [parse(block) for block in file.read().split("\n\n")]
    return found


CASES = cases()


def test_there_are_at_least_thirty_cases_with_distinct_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 30


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_hand_worked_case(case: Case) -> None:
    assert expire(case.snapshots, case.rules, case.now_ns, case.zone) == case.expected
