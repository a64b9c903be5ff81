"""The part of the model that knows clocks: they jump by years, over the end of daylight saving and back to 1970.

The program's clock is moved, and with it the dates of snapshots; files keep the system's time, as on a network disk.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import rule

from backup_runner.applying import run
from backup_runner.moments import utc_text
from backup_runner.planning import making, pruning
from backup_runner.planning.retention import SnapshotTime
from backup_runner.restoring.select import choose_snapshot
from backup_runner.spec import Retention
from tests.planning.test_local_calendars import read_independently

if TYPE_CHECKING:
    from tests.history.site import Site

ZONES = st.sampled_from(["Europe/Berlin", "Australia/Sydney", "America/Havana", "Asia/Kathmandu"])
MOMENTS = st.sampled_from(
    [
        "2025-12-31 23:30", "2026-01-01 00:30", "2026-06-30 23:30", "2026-07-01 00:30", "2026-07-31 23:59",
        "2026-10-25 00:30Z", "2026-10-25 01:30Z", "2026-04-04 15:30Z", "2026-04-04 16:30Z", "2031-05-05 05:05",
        "1970-01-01 00:00Z",
    ]
)  # fmt: skip
TURNS = st.sampled_from(
    [
        ("2025-12-31 23:30", "2026-01-01 00:30"), ("2026-06-30 23:30", "2026-07-01 00:30"),
        ("2026-10-25 00:30Z", "2026-10-25 01:30Z"), ("2026-04-04 15:30Z", "2026-04-04 16:30Z"),
        ("1970-01-01 00:00Z", "2031-05-05 05:05"),
    ]
)  # fmt: skip
STEPS = st.sampled_from([0, 1, 3600, 86_400, 40 * 86_400, -7200])
CALENDAR = st.sampled_from(["keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS = (run, making, pruning)
"""Modules that date snapshots or ask for their age."""


class Clock:
    """The module `time`, with another idea of what time it is."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time_ns(self) -> int:
        return time.time_ns() + self.ahead_ns


class Clocks:
    """Rules and checks; to be mixed into a machine with `site`, `trees` and `certain`."""

    site: Site
    trees: dict[int, Any]
    certain: bool

    def begin_clock(self, zone: str) -> None:
        self.zone, self.clock = ZoneInfo(zone), Clock()
        self.dates: dict[int, int] = {}
        self._tz = os.environ.get("TZ")
        os.environ["TZ"] = zone
        time.tzset()
        for module in _PARTS:
            assert module.time is time  # type: ignore[attr-defined]
            module.time = self.clock  # type: ignore[attr-defined]

    def end_clock(self) -> None:
        for module in _PARTS:
            module.time = sys.modules["time"]  # type: ignore[attr-defined]
        if self._tz is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = self._tz
        time.tzset()

    @rule(to=MOMENTS)
    def jump(self, to: str) -> None:
        at = datetime.fromisoformat(to)
        at = at if at.tzinfo else at.replace(tzinfo=self.zone)
        self.clock.ahead_ns = (at - EPOCH) // timedelta(microseconds=1) * 1000 - time.time_ns()

    @rule(seconds=STEPS)
    def pass_time(self, seconds: int) -> None:
        self.clock.ahead_ns += seconds * 10**9

    @rule(name=CALENDAR, count=st.integers(1, 3), last=st.integers(0, 1))
    def keep_by_calendar(self, name: str, count: int, last: int) -> None:
        self.site.retention = Retention(**{name: count}, keep_last=last)

    @rule(name=CALENDAR, turns=st.lists(TURNS, min_size=1, max_size=2, unique=True), back=st.booleans())
    def live_through(self, name: str, turns: list[tuple[str, str]], *, back: bool) -> None:
        """Snapshots at turns of days, months and years, of which rules of the calendar are to keep some."""
        self.keep_by_calendar(name, 3, 0)
        for moment in sorted((moment for turn in turns for moment in turn), reverse=back):
            self.jump(moment)
            self.apply()
        self.prune()

    def apply(self) -> None:
        raise NotImplementedError

    def prune(self) -> None:
        raise NotImplementedError

    # -- checks

    def note_dates(self, began_ns: int, before: dict[int, Any]) -> None:
        """What was made since `began_ns` is dated since then."""
        if not os.path.exists(self.site.catalog_path):
            return
        with closing(self.site.catalog()) as cat:
            found = dict(cat.conn.execute("SELECT id, scanned_ns FROM snapshot").fetchall())
        for number, date in found.items():
            if number in self.trees and number not in before:
                assert began_ns <= date <= self.clock.time_ns(), (number, date)
        self.dates |= found

    def check_retention(self, before: dict[int, Any], pruning: str) -> None:
        """What the rules keep, by an independent reading of the local calendar, is there."""
        rules = self.site.retention
        after = set(self.trees)
        made = after - set(before)
        if rules is None or (pruning != "only" and not made):
            assert set(before) <= after
            return
        candidates = [SnapshotTime(number, self.dates[number], "complete") for number in {*before, *made}]
        kept = read_independently(candidates, rules, self.clock.time_ns(), self.zone)
        assert kept <= after, (rules, kept, after, {one.id: utc_text(one.time_ns) for one in candidates})
        if self.certain and pruning == "only":
            assert kept == after

    def check_dates(self) -> None:
        """The newest is the one that was made last, and every time that is printed selects what it was printed for."""
        if not self.trees:
            return
        with closing(self.site.catalog()) as cat:
            ((job_id, _),) = cat.jobs(cat.stores()[0].id)
            assert choose_snapshot(cat, job_id, None)[0].id == max(self.trees)
            for one in cat.snapshots(job_id):
                for text in (one.date_text, utc_text(one.scanned_ns)):
                    assert choose_snapshot(cat, job_id, text)[0].id == one.id, (one, text)
