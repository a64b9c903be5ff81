"""Selects the snapshot and paths of a restore."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from ..catalog import Catalog
from ..catalog.database import Snapshot
from ..catalog.history import at_snapshot
from ..catalog.restoring import Selection
from ..errors import BackupRunnerError, CatalogError
from ..moments import local_text, span_of
from ..patterns.paths import PathPattern, any_covers, path_pattern
from ..patterns.wildmatch import Pattern
from ..records import whole_number

_LOOKED_AT = 20_000
"""Maximum number of paths to compare with a misspelt one."""
_SECOND_NS = 10**9
_MOST = (1 << 63) - 1
"""The highest number that a catalog can give to a snapshot."""


# -- the snapshot


def choose_snapshot(cat: Catalog, job_id: int, at: str | None) -> tuple[Snapshot, str | None]:
    """The snapshot that `at` means (None or "latest", an id, or a local date or time), and a note about it.

    `tag:NAME` and `host:NAME`, joined to one of these by commas, narrow down. The newest snapshot is the one made last,
    whatever its date (as in retention). A time means the complete snapshot
    with the latest date at or before it, and covers the whole period it names: a date that day, 14:30 that
    minute. If none is complete, the newest partial one. Raises CatalogError, listing the snapshots.
    """
    snapshots = cat.snapshots(job_id)
    limit = None
    wanted, rest = snapshot_filter(at or "")
    if wanted != SnapshotFilter():
        narrowed = [one for one in snapshots if wanted.takes(one)]
        if not narrowed:
            raise CatalogError(f"no snapshot {at}", hint=_what_there_is(snapshots))
        snapshots, at = narrowed, rest or None
    if at is None or at == "latest":
        found = _newest(snapshots, key=lambda one: one.id)
    elif at.isascii() and at.isdigit():
        number = whole_number(at, _MOST)
        found = next((one for one in snapshots if one.id == number), None)
    else:
        first, limit = _span(at)
        dated = [one for one in snapshots if one.scanned_ns <= limit]
        if limit - first < _SECOND_NS:
            # A time printed for a snapshot selects that one, complete or not.
            dated = [one for one in dated if one.scanned_ns >= first] or dated
        # By date: a clock that was once set back must not hide snapshots with later dates.
        found = _newest(dated, key=lambda one: (one.scanned_ns, one.id))
    if found is None:
        raise CatalogError(_nothing(at, snapshots), hint=_what_there_is(snapshots))
    if found.status == "complete":
        return found, _later(found, limit)
    return found, f"snapshot {found.id} is incomplete: it has only what was backed up before the apply stopped"


@dataclass(frozen=True, slots=True)
class SnapshotFilter:
    """Which snapshots are meant: those with all of the tags, of the host, in the time. Empty: all. Times are local."""

    tags: tuple[str, ...] = ()
    host: str = ""
    since: str | None = None
    until: str | None = None

    def takes(self, one: Snapshot) -> bool:
        """Raises CatalogError for an invalid time."""
        about = one.about
        if not {*self.tags} <= {*about.tags} or (self.host and about.host != self.host):
            return False
        if self.since is not None and one.scanned_ns < _span(self.since)[0]:
            return False
        return self.until is None or one.scanned_ns <= _span(self.until)[1]


def snapshot_filter(text: str) -> tuple[SnapshotFilter, str]:
    """What `tag:` and `host:` in the name of a snapshot say, and the rest of it."""
    tags, host, rest = [], "", []
    for part in text.split(",") if ":" in text else [text]:
        kind, mark, name = part.partition(":")
        if mark and kind == "tag":
            tags.append(name)
        elif mark and kind == "host":
            host = name
        else:
            rest.append(part)
    return SnapshotFilter(tuple(tags), host), ",".join(rest)


def names_snapshot(text: str) -> bool:
    """Whether a word can only be meant as a snapshot: a number, a time, `latest`, `tag:NAME`, `host:NAME`."""
    if text == "latest" or text.startswith(("tag:", "host:")) or (text.isascii() and text.isdigit()):
        return True
    try:
        span_of(text)
    except ValueError:
        return False
    return True


def _later(found: Snapshot, limit: int | None) -> str | None:
    """A note if the requested time is during the reading: what was read after it is in the snapshot, too."""
    if limit is None or not found.finished_ns or limit >= found.finished_ns:
        return None
    if limit // _SECOND_NS == found.scanned_ns // _SECOND_NS:
        return None
    until = local_text(found.finished_ns)
    return f"snapshot {found.id} was read from {found.date_text} to {until}; some files may be newer than that time"


def _newest(snapshots: list[Snapshot], key: Callable[[Snapshot], Any]) -> Snapshot | None:
    complete = [one for one in snapshots if one.status == "complete"]
    return max(complete or snapshots, key=key, default=None)


def _span(text: str) -> tuple[int, int]:
    try:
        return span_of(text)
    except ValueError:
        raise CatalogError(
            f"{text!r} is neither a snapshot id nor a time",
            hint="give an id from `snapshots JOB`, `latest`, or a time such as 2026-03-01 or 2026-03-01T14:30",
        ) from None


def _nothing(at: str | None, snapshots: list[Snapshot]) -> str:
    if not snapshots:
        return "this job has no snapshots yet"
    return f"no snapshot {at}" if at and at.isdigit() else f"no snapshot at or before {at}"


def _what_there_is(snapshots: list[Snapshot]) -> str:
    if not snapshots:
        return "apply the job first"
    lines = [f"{one.id} of {one.date_text} ({one.status})" for one in reversed(snapshots[-10:])]
    more = f", and {len(snapshots) - 10} older ones" if len(snapshots) > 10 else ""
    return "there are: " + ", ".join(lines) + more


# -- the paths


@dataclass(frozen=True, slots=True)
class Wanted:
    """The selected paths: those in `paths` (all if there are none) except those in `exclude`, as users write them.

    `here` is the current folder, for relative paths; None for nowhere. See patterns/paths for the grammar."""

    paths: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()
    here: bytes | None = None


def choose_paths(cat: Catalog, chosen: Selection, at: tuple[int, int], wanted: Wanted, base: bytes) -> None:
    """Fill `chosen` with the selected paths of the snapshot `at` (job id, snapshot id).

    Raises BackupRunnerError with every path that matches nothing, before anything is written.
    """
    if not wanted.paths:
        chosen.add_range(b"", None)
    unknown = []
    for path in wanted.paths:
        pattern = path_pattern(path, base, wanted.here)
        if not _choose(chosen, pattern):
            unknown.append(_complaint(cat, at, path, pattern.keys[0]))
    if unknown:
        raise BackupRunnerError(
            "\n".join(unknown),
            hint="give files or folders by stored path or original path; nothing was done",
        )
    if wanted.exclude:
        chosen.drop_matching(any_covers([path_pattern(path, base, wanted.here) for path in wanted.exclude]))


def _choose(chosen: Selection, pattern: PathPattern) -> bool:
    """Choose what it matches; whether there is anything."""
    key = pattern.key(partial(_is_there, chosen))
    if not key:
        chosen.add_range(b"", None)
        return True
    if chosen.has(key):
        chosen.add_key(key)
        return True
    # A folder's key ends in a slash, or is known only from its contents.
    if chosen.any_in(key + b"/", key + b"0"):
        chosen.add_range(key + b"/", key + b"0")
        return True
    return any(_choose_matching(chosen, one, by_name=pattern.by_name) for one in pattern.patterns)


def _is_there(chosen: Selection, key: bytes) -> bool:
    return not key or chosen.has(key) or chosen.any_in(key + b"/", key + b"0")


def _choose_matching(chosen: Selection, pattern: Pattern, *, by_name: bool) -> bool:
    """Choose the paths, and what is in the folders, that match the whole pattern, or whose names do."""
    fullmatch = pattern.regex.fullmatch
    hits = 0

    def matches(key: bytes) -> bool:
        nonlocal hits
        end = len(key.removesuffix(b"/"))
        while end > 0:
            if fullmatch(key, key.rfind(b"/", 0, end) + 1 if by_name else 0, end):
                hits += 1
                return True
            end = key.rfind(b"/", 0, end)
        return False

    chosen.add_matching(matches, b"" if by_name else pattern.start)
    return hits > 0


def _complaint(cat: Catalog, at: tuple[int, int], path: bytes, key: bytes) -> str:
    near = difflib.get_close_matches(os.fsdecode(key), _neighbours(cat, at, key), n=3, cutoff=0.6)
    text = f"nothing in snapshot {at[1]} matches {os.fsdecode(path)!r}"
    return text + (f"; did you mean {' or '.join(map(repr, near))}?" if near else "")


def _neighbours(cat: Catalog, at: tuple[int, int], key: bytes) -> list[str]:
    """Keys close to where `key` would be: in its nearest parent folder that has any."""
    folder = key
    while folder:
        folder = folder.rpartition(b"/")[0]
        low = folder + b"/" if folder else b""
        high = folder + b"0" if folder else None
        found = list(_children(cat, at, low, high))
        if found:
            return found
    return []


def _children(cat: Catalog, at: tuple[int, int], low: bytes, high: bytes | None) -> Iterator[str]:
    seen = b""
    for row in islice(at_snapshot(cat, *at, low=low, high=high), _LOOKED_AT):
        name = row.key[len(low) :].partition(b"/")[0]
        if name and name != seen:
            seen = name
            yield os.fsdecode(low + name)
