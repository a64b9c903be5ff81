"""Decides which rules keep which snapshots. Pure: clock and time zone are handed in.

"Newer" means made later, by id: ids rise with every apply. Times only determine calendar periods
and ages. So a clock that was once years ahead does not leave a snapshot that stays "newest" until that year,
and one that was set back does not make today's snapshots the oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from ..errors import BackupRunnerError
from ..moments import local
from ..spec import Retention

_COMPLETE = "complete"
_PARTIAL = "partial"
_SECOND_NS = 1_000_000_000


class SnapshotTime(NamedTuple):
    """What retention needs to know about a snapshot."""

    id: int
    """Rises with every apply."""
    time_ns: int
    """When its apply began to read, nanoseconds since the epoch."""
    status: str
    """`complete`, `partial`, `running`, or `rebuilt`: a partial one that was reconstructed from object indexes."""
    doubtful: bool = False
    """Made with guards on its contents overridden: it never replaces another snapshot."""
    tags: tuple[str, ...] = ()


def expire(
    snapshots: Sequence[SnapshotTime], rules: Retention, now_ns: int, zone: tzinfo | None
) -> dict[int, list[str]]:
    """For every snapshot of one job, the reasons to keep it; an empty list means expired. `zone` None: the machine's.

    - `newest complete`: kept under any rules.
    - `keep_last 2/3`: among the newest three complete ones, here the second.
    - `keep_hourly|daily|weekly|monthly|yearly PERIOD`: the last complete snapshot of one of the N most recent
      periods that have one; periods without a snapshot don't use up the count. Periods are those of the
      calendar in `zone`, weeks are ISO 8601 weeks. An hour is named with its UTC offset, so the hour that
      the end of daylight saving repeats is two hours.
    - `keep_within 7d`: at most that much elapsed time (days of 24 hours) older than the newest complete
      snapshot, so that a machine that was off for a month loses nothing; counted from `now_ns` where that
      is earlier, so that a newest snapshot with a future date does not expire others.
    - `keep_tags TAG`: it has this tag; it counts for the other rules all the same.
    - `newest partial`, `partial, none complete since`: no complete snapshot has followed yet.
    - `running`: an apply is working on it.
    - `rebuilt`: it may be all that is left of many snapshots, whose deletion nobody chose; kept under any rules.

    A doubtful snapshot is kept by the same rules, but in addition: what they would keep without it is kept.
    More rules or larger counts never keep less; an earlier `now_ns` never keeps less. Removing what expired
    and calling it again gives the same result. Raises BackupRunnerError if no rule is set.
    """
    if not (rules.keep_last or rules.keep_within or any(count for _, count, _ in _calendar(rules))):
        raise BackupRunnerError(
            "no retention rule keeps a snapshot",
            hint="set at least one keep_… above 0, or remove `retention` to keep every snapshot",
        )
    kept: dict[int, list[str]] = {snapshot.id: [] for snapshot in snapshots}
    newest_first = sorted(snapshots, key=lambda snapshot: snapshot.id, reverse=True)
    complete = [snapshot for snapshot in newest_first if snapshot.status == _COMPLETE]
    sure = [snapshot for snapshot in complete if not snapshot.doubtful]
    found = [*_unfinished(newest_first), *_tagged(newest_first, rules), *_ruled(sure, rules, now_ns, zone)]
    if len(sure) < len(complete):
        doubtful = {snapshot.id for snapshot in complete if snapshot.doubtful}
        found += [each for each in _ruled(complete, rules, now_ns, zone) if each[0] in doubtful]
    for snapshot_id, reason in found:
        kept[snapshot_id].append(reason)
    return kept


def _ruled(
    complete: list[SnapshotTime], rules: Retention, now_ns: int, zone: tzinfo | None
) -> Iterator[tuple[int, str]]:
    """(id, reason) of the complete snapshots that rules keep; newest first."""
    periods = [(name, count, period) for name, count, period in _calendar(rules) if count]
    yield from ((each.id, "newest complete") for each in complete[:1])
    yield from _last(complete, rules.keep_last)
    dated = [(snapshot.id, local(snapshot.time_ns, zone)) for snapshot in complete] if periods else []
    for name, count, period in periods:
        yield from _by_period(dated, name, count, period)
    if rules.keep_within:
        yield from _within(complete, rules.keep_within, now_ns)


def _unfinished(newest_first: list[SnapshotTime]) -> Iterator[tuple[int, str]]:
    superseded = False
    partial_reason = "newest partial"
    for snapshot in newest_first:
        if snapshot.status == _COMPLETE:
            superseded = superseded or not snapshot.doubtful
        elif snapshot.status != _PARTIAL:
            yield snapshot.id, snapshot.status
        elif not superseded:
            yield snapshot.id, partial_reason
            partial_reason = "partial, none complete since"


def _tagged(snapshots: list[SnapshotTime], rules: Retention) -> Iterator[tuple[int, str]]:
    for snapshot in snapshots:
        yield from ((snapshot.id, f"keep_tags {tag}") for tag in rules.keep_tags if tag in snapshot.tags)


def _last(complete: list[SnapshotTime], count: int) -> Iterator[tuple[int, str]]:
    for rank, snapshot in enumerate(complete[:count], start=1):
        yield snapshot.id, f"keep_last {rank}/{count}"


def _by_period(
    dated: list[tuple[int, datetime]], name: str, count: int, period_of: Callable[[datetime], str]
) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for snapshot_id, time in dated:
        if len(seen) == count:
            return
        period = period_of(time)
        # Compared with all periods, not only the previous one: with a clock set back, a period can occur twice.
        if period not in seen:
            seen.add(period)
            yield snapshot_id, f"{name} {period}"


def _within(complete: list[SnapshotTime], seconds: int, now_ns: int) -> Iterator[tuple[int, str]]:
    reason = f"keep_within {_duration(seconds)}"
    oldest_ns = min([now_ns, *(each.time_ns for each in complete[:1])]) - seconds * _SECOND_NS
    for snapshot in complete:
        if snapshot.time_ns >= oldest_ns:
            yield snapshot.id, reason


def _calendar(rules: Retention) -> list[tuple[str, int, Callable[[datetime], str]]]:
    return [
        ("keep_hourly", rules.keep_hourly, lambda at: at.isoformat(timespec="hours")),
        ("keep_daily", rules.keep_daily, lambda at: at.date().isoformat()),
        ("keep_weekly", rules.keep_weekly, _iso_week),
        ("keep_monthly", rules.keep_monthly, lambda at: at.date().isoformat()[:7]),
        ("keep_yearly", rules.keep_yearly, lambda at: at.date().isoformat()[:4]),
    ]


def _iso_week(at: datetime) -> str:
    year, week, _ = at.isocalendar()
    return f"{year}-W{week:02}"


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
