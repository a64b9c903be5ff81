"""Dates of snapshots: rules of zones rather than an offset, one meaning of "newest", and times that select."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from backup_runner.applying.run import apply_plan
from backup_runner.catalog import CatalogLock
from backup_runner.moments import local_text, span_of, utc_text
from backup_runner.options import ApplyOptions, PlanOptions
from backup_runner.planning.making import make_plan
from backup_runner.planning.opening import open_plan
from backup_runner.progress import Silent
from backup_runner.records import ActionKind
from backup_runner.restoring.select import choose_snapshot
from backup_runner.spec import Retention
from backup_runner.workers.interrupt import Interrupt
from tests.history.site import Site

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["Europe/Berlin", "Australia/Sydney", "Asia/Kathmandu"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    """The machine's own zone; of the first two, one has another offset today than at New Year or in July."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield ZoneInfo(request.param)
    monkeypatch.undo()
    time.tzset()


def ns(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1) * 1000


def dated(site: Site, *times: int) -> list[int]:
    """Complete snapshots of these dates, in the order they were made; their ids."""
    if not os.path.exists(site.catalog_path):
        site.apply()
    made = []
    with closing(site.catalog()) as cat, cat.transaction():
        ((job_id, _),) = cat.jobs(cat.stores()[0].id)
        for at in times:
            number = cat.open_snapshot(job_id, scanned_ns=at, started_ns=at, plan_id="p", scope="[]")
            cat.finish_snapshot(number, status="complete", finished_ns=at + 1, totals="{}")
            made.append(number)
    return made


def chosen(site: Site, at: str | None) -> int:
    with closing(site.catalog()) as cat:
        ((job_id, _),) = cat.jobs(cat.stores()[0].id)
        return choose_snapshot(cat, job_id, at)[0].id


def test_the_last_snapshot_of_each_local_month_stays(site: Site, zone: ZoneInfo) -> None:
    early, late = [], []
    for month in range(24):
        year, number = divmod(month, 12)
        first = datetime(2023 + year, number + 1, 1, 0, 30, tzinfo=zone)
        following = datetime(2023 + year + number // 11, (number + 1) % 12 + 1, 1, tzinfo=zone)
        early += dated(site, ns(first))
        late += dated(site, ns(following.astimezone(UTC) - timedelta(minutes=30)))
    (now,) = dated(site, time.time_ns())
    site.retention = Retention(keep_monthly=30)
    _, actions = site.actions(pruning="only")
    gone = {action.snapshot_id for action in actions if action.kind is ActionKind.FORGET}
    assert gone & {*early, *late, now} == set(early)


def test_newest_is_what_was_made_last(site: Site) -> None:
    for year in (2031, 1970, 2026, 2025):
        (made,) = dated(site, ns(datetime(year, 3, 1, 12, tzinfo=UTC)))
        assert chosen(site, None) == chosen(site, "latest") == made


def test_a_clock_that_was_once_set_back_does_not_swallow_later_dates(site: Site) -> None:
    june, _, july = dated(site, *(ns(datetime(*day, tzinfo=UTC)) for day in ((2025, 6, 1), (1970, 1, 1), (2025, 7, 1))))
    assert chosen(site, "2025-06-15") == june
    assert chosen(site, "2025-07-15") == july


def test_every_printed_time_selects_what_it_was_printed_for(site: Site, zone: ZoneInfo) -> None:
    """Two within a second, two in the hour that Berlin and Sydney repeat, one a nanosecond before midnight."""
    base = ns(datetime(2025, 3, 1, 9, 2, 3, tzinfo=UTC)) + 412_345_678
    repeated = [ns(datetime(2025, 10, 26, hour, 30, 7, 900_000, tzinfo=UTC)) for hour in (0, 1)]
    repeated += [ns(datetime(2025, 4, 5, hour, 30, 7, 900_000, tzinfo=UTC)) for hour in (15, 16)]
    times = sorted([base, base + 1, base + 2 * 10**9, *repeated, ns(datetime(2025, 5, 1, tzinfo=zone)) - 1])
    made = dated(site, *times)
    with closing(site.catalog()) as cat:
        ((job_id, _),) = cat.jobs(cat.stores()[0].id)
        found = [one for one in cat.snapshots(job_id) if one.id in made]
    assert [len(one.date_text) > 26 for one in found] == [True, True, *[False] * 6]
    for one in found:
        assert chosen(site, one.date_text) == one.id, one.date_text
        assert chosen(site, one.date_text.replace(" ", "T")) == one.id
        assert chosen(site, utc_text(one.scanned_ns)) == one.id
    assert chosen(site, "2025-04-30") == made[times.index(ns(datetime(2025, 5, 1, tzinfo=zone)) - 1)]


def test_the_time_of_one_that_is_not_complete_selects_it_too(site: Site) -> None:
    at = ns(datetime(2025, 3, 1, 9, tzinfo=UTC))
    complete, partial = dated(site, at, at + 60 * 10**9)
    with closing(site.catalog()) as cat:
        cat.conn.execute("UPDATE snapshot SET status = 'partial' WHERE id = ?", (partial,))
    assert chosen(site, "2025-03-01T09:01:00Z") == partial
    assert chosen(site, "2025-03-01T09:01Z") == chosen(site, "2025-03-01T09:01:01Z") == complete


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("2026-11-01", "2026-11-01T23:59:59.999999999Z"),
        ("2026-11-01T14", "2026-11-01T14:59:59.999999999Z"),
        ("2026-11-01T14:30", "2026-11-01T14:30:59.999999999Z"),
        ("2026-11-01 14:30:05", "2026-11-01T14:30:05.999999999Z"),
        ("2026-11-01 14:30:05.4", "2026-11-01T14:30:05.499999999Z"),
        ("2026-11-01T14:30:05.123456789Z", "2026-11-01T14:30:05.123456789Z"),
        ("2026-11-01T14:30+02:00", "2026-11-01T12:30:59.999999999Z"),
        ("20261101T1430", "2026-11-01T14:30:59.999999999Z"),
    ],
)
def test_a_time_stands_for_all_that_it_leaves_out(text: str, last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert utc_text(span_of(text)[1]) == last
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("text", ["9999-12-31", "2026-13-01", "soon", "2026-11-01T25:00", ""])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        span_of(text)


def test_local_time_is_that_of_its_day(zone: ZoneInfo) -> None:
    for month in range(1, 13):
        at = datetime(2025, month, 15, 12, 0, 1, tzinfo=zone)
        assert local_text(ns(at)) == f"2025-{month:02}-15 12:00:01"


def test_a_saved_plan_is_dated_by_what_was_read(site: Site) -> None:
    site.write("a", b"planned")
    with closing(site.session()) as session:
        plan = make_plan(session, PlanOptions(), Silent())
        plan.save(f"{site.root}/plan")
        plan.close()
        between = time.time_ns()
        site.write("a", b"written later")
        apply_plan(session, open_plan(f"{site.root}/plan"), ApplyOptions(workers=1), Silent(), Interrupt())
    ended = time.time_ns()
    with closing(site.catalog()) as cat:
        ((job_id, _),) = cat.jobs(cat.stores()[0].id)
        (one,) = cat.snapshots(job_id)
    assert between < one.scanned_ns == one.started_ns < (one.finished_ns or 0) < ended
    with pytest.raises(Exception, match="no snapshot at or before"):
        chosen(site, utc_text(between))
    assert chosen(site, utc_text(one.scanned_ns)) == one.id


def test_a_plan_applied_on_another_day_forgets_no_more_than_the_rules(site: Site) -> None:
    """Planned on the day of the snapshot before, which it lets go; that day loses its last one if applied later."""
    site.retention = Retention(keep_daily=5)
    (before,) = dated(site, time.time_ns())
    with closing(site.session()) as session:
        plan = make_plan(session, PlanOptions(pruning="retention"), Silent())
        assert [action.snapshot_id for action in plan.actions() if action.snapshot_id][-1] == before
        with closing(site.catalog()) as cat:
            # As if a day had passed since.
            cat.conn.execute("UPDATE snapshot SET scanned_ns = scanned_ns - 86400000000000 WHERE id = ?", (before,))
            cat.conn.execute("DELETE FROM change")
        outcome = apply_plan(session, plan, ApplyOptions(workers=1), Silent(), Interrupt())
        plan.close()
    assert set(site.snapshots()) >= {before, outcome.snapshot_id}
    assert outcome.notes == [f"snapshot {before} was not forgotten: a retention rule keeps it now"]


def test_a_clock_that_was_set_back_keeps_no_garbage(site: Site) -> None:
    """What it finds was made later than now."""
    site.write("a", os.urandom(1000))
    site.apply()
    site.write("a", os.urandom(1000))
    site.apply()
    with closing(site.catalog()) as cat:
        cat.conn.execute("UPDATE object SET created_ns = created_ns + 365 * 86400000000000")
    site.retention = Retention(keep_last=1)
    header, _ = site.prune()
    assert header.notes == []
    assert len(site.names()) == 1


def test_a_running_apply_is_not_what_a_plan_forgets(site: Site) -> None:
    """The snapshot that a live run works on; one that a dead run left is let go."""
    dated(site, time.time_ns())
    site.retention = Retention(keep_last=5)
    with closing(site.catalog()) as cat:
        ((job_id, _),) = cat.jobs(cat.stores()[0].id)
        running = cat.open_snapshot(job_id, scanned_ns=1, started_ns=1, plan_id="p", scope="[]")

    def forgotten() -> list[int | None]:
        return [action.snapshot_id for action in site.actions(pruning="retention")[1] if action.snapshot_id]

    with CatalogLock(site.catalog_path):
        assert forgotten() == []
    assert forgotten() == [running]
    with subprocess.Popen(["sleep", "60"]) as gone:
        gone.kill()
    with open(site.catalog_path + ".lock", "w") as file:
        json.dump({"pid": gone.pid, "host": socket.gethostname(), "since": 0}, file)
    assert forgotten() == [running]


def test_a_time_within_the_reading_is_answered_with_a_note(site: Site) -> None:
    began = ns(datetime(2025, 3, 1, 9, tzinfo=UTC))
    (made,) = dated(site, began)
    with closing(site.catalog()) as cat:
        cat.conn.execute("UPDATE snapshot SET finished_ns = ? WHERE id = ?", (began + 600 * 10**9, made))
        ((job_id, _),) = cat.jobs(cat.stores()[0].id)
        for minutes, noted in ((0, False), (5, True), (10, False)):
            snapshot, note = choose_snapshot(cat, job_id, utc_text(began + minutes * 60 * 10**9))
            assert (snapshot.id, bool(note)) == (made, noted)
