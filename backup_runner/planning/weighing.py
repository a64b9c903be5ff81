"""Counts changed, vanished and found files for the guards while the plan is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from ..reasons import Cause
from ..records import Action, ActionKind, Kind
from ..source.access import mount_point_of
from ..source.walk import ScanTotals
from ..spec import Job, Source
from .guards import GuardHit, Seen, weigh, weigh_changes, weigh_deletions, weigh_source

_CONTENT_CHANGES = {ActionKind.UPDATE, ActionKind.LINK, ActionKind.HOLD}


class CountKnown(Protocol):
    """Counts the files that the job had below a key; without `outputs`, those that were on disk."""

    def __call__(self, key: bytes, /, *, outputs: bool = ...) -> int: ...


@dataclass(slots=True)
class _BySource:
    source: Source
    seen: Seen


@dataclass
class Scales:
    """Counts path actions with `add`; `hits` then has the guards that stop the plan."""

    job: Job
    whole: Seen = field(init=False)
    by_source: list[_BySource] = field(init=False)

    def __post_init__(self) -> None:
        self.whole = Seen(f'job "{self.job.name}"')
        self.by_source = [_BySource(s, Seen(f"source {_text(s.path)}")) for s in self.job.sources]

    def add(self, action: Action) -> None:
        if action.entry_kind == Kind.DIRECTORY:
            return
        for seen in self._covering(action.key):
            _count(seen, action)

    def lose(self, key: bytes) -> None:
        """One more file that does not exist."""
        for seen in self._covering(key):
            seen.removed += 1

    def _covering(self, key: bytes) -> list[Seen]:
        # The job as a whole also counts paths outside all sources: files of a source that was removed from it.
        return [self.whole, *(item.seen for item in self.by_source if item.source.covers(key))]

    def know(self, known: int, count_known: Callable[[bytes], int]) -> None:
        """`known`: files that the job had before; `count_known` counts those below a key."""
        self.whole.known = known
        for item in self.by_source:
            if item.source.guards != self.job.guards:
                item.seen.known = known if len(self.by_source) == 1 else count_known(item.source.key)

    def deletions(self) -> Iterator[GuardHit]:
        """The hits of the guards on removed files; call `know` first."""
        for item in self.by_source:
            if item.source.guards != self.job.guards:
                yield from weigh_deletions(item.seen, item.source.guards)
        yield from weigh_deletions(self.whole, self.job.guards)

    def numbers(self) -> Iterator[GuardHit]:
        """The hits of the guards on changed and removed files; call `know` first."""
        for item in self.by_source:
            if item.source.guards != self.job.guards:
                yield from weigh_changes(item.seen, item.source.guards)
        yield from weigh_changes(self.whole, self.job.guards)
        yield from self.deletions()

    def hits(self, totals: ScanTotals, *, known: int, count_known: CountKnown) -> list[GuardHit]:
        """`known`: files that the job had before."""
        job, whole = self.job, self.whole
        whole.known = known
        hits: list[GuardHit] = []
        for item in self.by_source:
            source, seen = item.source, item.seen
            key = source.key.rstrip(b"/")
            seen.found = totals.files_by_source.get(key, totals.files_by_source.get(key + b"/", 0))
            whole.found += seen.found
            missing = key in totals.missing
            # Counted only if a guard may need it, because it reads them all.
            if source.guards != job.guards:
                seen.known = known if len(self.by_source) == 1 else count_known(source.key)
            # The output of a program says nothing about the folder that it is stored in.
            before = 0 if seen.found else count_known(source.key, outputs=False)
            hits += weigh_source(
                seen.label, missing=missing, found=seen.found, known=before, allow_empty=source.allow_empty
            )
            if not missing and source.guards.require_mount and mount_point_of(source.path) == b"/":
                hits.append(GuardHit("require_mount", f"{seen.label} is not on a mounted file system of its own"))
            if source.guards != job.guards:
                hits += weigh(seen, source.guards)
        return hits + list(weigh(whole, job.guards))


def _count(seen: Seen, action: Action) -> None:
    if action.kind is ActionKind.REMOVE:
        seen.removed += 1
    elif action.kind is ActionKind.UPDATE and action.reason.cause is Cause.OUTPUT:
        seen.outputs += 1
    elif action.kind in _CONTENT_CHANGES and action.reason.is_change:
        seen.changed += 1
        if len(seen.examples) < 3:
            seen.examples.append(_text(action.key))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
