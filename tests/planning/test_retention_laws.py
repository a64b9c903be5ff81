"""Laws that hold for any snapshots, rules, clock and zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.errors import BackupRunnerError
from backup_runner.planning.retention import SnapshotTime, expire
from backup_runner.spec import Retention

SECOND = 1_000_000_000
DAY = 86_400
COUNTS = ["keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"]
RULES = [*COUNTS, "keep_within"]
# The autumn hour that Berlin repeats lies in the middle, so that many examples stand around it.
MIDDLE = int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp())

zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Kiritimati"]).map(
    ZoneInfo
)
near = st.integers(-6 * 3600, 6 * 3600)
steps = st.one_of(near, st.integers(-40 * DAY, 40 * DAY), st.integers(-900 * DAY, 900 * DAY))
times = steps.map(lambda step: (MIDDLE + step) * SECOND)
statuses = st.sampled_from(["complete", "complete", "complete", "partial", "running", "rebuilt"])
# Mostly off: where every rule is on, each hides what another forgets.
counts = st.sampled_from([0, 0, 0, 0, 1, 2, 3])
windows = st.one_of(st.just(0), st.just(0), st.integers(1, 40 * DAY))


@st.composite
def histories(draw: st.DrawFn, status: st.SearchStrategy[str] = statuses) -> list[SnapshotTime]:
    """Snapshots as any clock may have dated them, in any order."""
    rows = draw(st.lists(st.tuples(times, status), max_size=16))
    made = [SnapshotTime(number, *row) for number, row in enumerate(rows, start=1)]
    return draw(st.permutations(made))


rule_sets = st.builds(Retention, **dict.fromkeys(COUNTS, counts), keep_within=windows).filter(
    lambda rules: any(getattr(rules, name) for name in RULES)
)


def kept(snapshots: list[SnapshotTime], rules: Retention, now_ns: int, zone: ZoneInfo) -> set[int]:
    return {number for number, reasons in expire(snapshots, rules, now_ns, zone).items() if reasons}


@settings(max_examples=500)
@given(histories(), rule_sets, times, zones, st.sampled_from(RULES), st.integers(1, 100_000))
def test_more_rules_never_keep_less(
    history: list[SnapshotTime], rules: Retention, now: int, zone: ZoneInfo, name: str, more: int
) -> None:
    larger = replace(rules, **{name: getattr(rules, name) + more})
    assert kept(history, rules, now, zone) <= kept(history, larger, now, zone)


@settings(max_examples=500)
@given(histories(), rule_sets, rule_sets, times, zones)
def test_two_rule_sets_together_keep_what_either_keeps(
    history: list[SnapshotTime], one: Retention, two: Retention, now: int, zone: ZoneInfo
) -> None:
    both = Retention(**{name: max(getattr(one, name), getattr(two, name)) for name in RULES})
    assert kept(history, both, now, zone) == kept(history, one, now, zone) | kept(history, two, now, zone)


@given(histories(), rule_sets, times, zones)
def test_the_newest_complete_and_all_that_runs_is_kept(
    history: list[SnapshotTime], rules: Retention, now: int, zone: ZoneInfo
) -> None:
    complete = [each.id for each in history if each.status == "complete"]
    must = {max(complete)} if complete else set()
    must |= {each.id for each in history if each.status in ("running", "rebuilt")}
    must |= {each.id for each in history if each.status == "partial" and each.id > max(complete, default=0)}
    assert must <= kept(history, rules, now, zone)


@given(histories(), rule_sets, times, zones)
def test_applying_twice_changes_nothing(
    history: list[SnapshotTime], rules: Retention, now: int, zone: ZoneInfo
) -> None:
    first = expire(history, rules, now, zone)
    left = [each for each in history if first[each.id]]
    assert expire(left, rules, now, zone) == {each.id: first[each.id] for each in left}


@given(histories(), rule_sets, times, st.integers(0, 900 * DAY), zones)
def test_a_clock_that_went_back_never_expires_more(
    history: list[SnapshotTime], rules: Retention, now: int, back: int, zone: ZoneInfo
) -> None:
    assert kept(history, rules, now, zone) <= kept(history, rules, now - back * SECOND, zone)


@given(histories(), rule_sets, times, zones)
def test_unfinished_snapshots_displace_nothing(
    history: list[SnapshotTime], rules: Retention, now: int, zone: ZoneInfo
) -> None:
    complete = [each for each in history if each.status == "complete"]
    answer = expire(history, rules, now, zone)
    assert {each.id: answer[each.id] for each in complete} == expire(complete, rules, now, zone)


@given(histories(st.just("complete")), rule_sets, zones, st.booleans())
def test_pruning_after_every_apply_keeps_what_one_prune_at_the_end_keeps(
    history: list[SnapshotTime], rules: Retention, zone: ZoneInfo, steady_clock: bool
) -> None:
    """With a clock that jumps this holds for all rules but keep_within, whose window then jumps along."""
    moments = [each.time_ns for each in history]
    if steady_clock:
        moments.sort()
    else:
        rules = replace(rules, keep_within=0, keep_last=rules.keep_last or 1)
    made = [SnapshotTime(number, moment, "complete") for number, moment in enumerate(moments, start=1)]
    left: list[SnapshotTime] = []
    for snapshot in made:
        left.append(snapshot)
        answer = expire(left, rules, snapshot.time_ns, zone)
        left = [each for each in left if answer[each.id]]
    assert {each.id for each in left} == kept(made, rules, moments[-1] if moments else 0, zone)


def test_rules_that_keep_nothing_are_refused() -> None:
    with pytest.raises(BackupRunnerError, match="no retention rule keeps a snapshot"):
        expire([SnapshotTime(1, 0, "complete")], Retention(), 0, UTC)
