"""When a run must stop: too few files, too many changed or vanished, a source that does not exist.

Pure. Percentages count the files of the last complete snapshot whose content changed, or that vanished; they apply
from `SMALLEST` known files on, because one of three files is already a third of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..spec import Guards, PruneGuards

SMALLEST = 20
CONTENT = frozenset(
    {"source_missing", "source_empty", "require_mount", "min_files", "max_change_percent", "max_delete_percent"}
)
"""Guards about the contents of a snapshot: one that is made despite them does not replace others."""


class GuardHit(NamedTuple):
    """A guard that stops the run: its name, for --override-guard, and its reason as a sentence."""

    name: str
    message: str


@dataclass(slots=True)
class Seen:
    """What a plan found in one source, or in the whole job: numbers of files, including stored symlinks."""

    label: str
    """Its name in messages: `source /home/ann/photos` or `job "photos"`."""
    found: int = 0
    known: int = 0
    changed: int = 0
    removed: int = 0
    outputs: int = 0
    """Those of `known` that programs print anew in each run: that they changed means nothing."""
    examples: list[str] = field(default_factory=list)
    """A few of the changed files."""


def weigh(seen: Seen, guards: Guards) -> Iterator[GuardHit]:
    """The guards on numbers that stop the run."""
    if seen.found < guards.min_files:
        yield GuardHit(
            "min_files", f"{seen.label} has {seen.found} file(s) to back up, fewer than min_files: {guards.min_files}"
        )
    yield from weigh_changes(seen, guards)
    yield from weigh_deletions(seen, guards)


def weigh_changes(seen: Seen, guards: Guards) -> Iterator[GuardHit]:
    """The guard on files with new content."""
    known = seen.known - seen.outputs
    if known < SMALLEST:
        return
    changed = 100 * seen.changed / known
    if changed > guards.max_change_percent:
        some = f" (for example {', '.join(seen.examples)})" if seen.examples else ""
        yield GuardHit(
            "max_change_percent",
            f"mass change: {seen.changed} of {known} files ({changed:.0f} %) of {seen.label} have new content"
            f"{some}; max_change_percent is {guards.max_change_percent}. Ransomware looks like this",
        )


def weigh_deletions(seen: Seen, guards: Guards) -> Iterator[GuardHit]:
    """The guard on files that would be removed."""
    if seen.known < SMALLEST:
        return
    removed = 100 * seen.removed / seen.known
    if removed > guards.max_delete_percent:
        yield GuardHit(
            "max_delete_percent",
            f"{seen.removed} of {seen.known} files ({removed:.0f} %) of {seen.label} would be removed; "
            f"max_delete_percent is {guards.max_delete_percent}",
        )


def weigh_source(label: str, *, missing: bool, found: int, known: int, allow_empty: bool) -> Iterator[GuardHit]:
    """The guards on a source that does not exist, or is empty although it was not before."""
    if missing and not allow_empty:
        yield GuardHit("source_missing", f"{label} does not exist; is its disk mounted?")
    elif not found and known and not allow_empty:
        yield GuardHit("source_empty", f"{label} is empty, but {known} of its files are backed up")


def weigh_cost(cost: Mapping[str, Any] | None, guards: Guards) -> Iterator[GuardHit]:
    """The guard on a plan whose estimated cost this month exceeds the job's limit."""
    limit = guards.max_cost_per_month
    if cost is not None and limit is not None and cost["month_total"] > limit:
        yield GuardHit(
            "max_cost_per_month",
            f"this month is estimated at {cost['month_total']:.2f} {cost['currency']} with this plan (storage, "
            f"requests and fees at prices of {cost['prices_of']}); max_cost_per_month is {limit:g}",
        )


def weigh_pruning(*, forgotten: int, complete: int, freed: int, stored: int, guards: PruneGuards) -> Iterator[GuardHit]:
    """The guards on a plan that deletes much at once: `forgotten` of `complete` snapshots, `freed` of `stored`
    bytes."""
    share = 100 * forgotten / complete if complete >= SMALLEST else 0
    if share > guards.max_forget_percent:
        yield GuardHit(
            "max_forget_percent",
            f"{forgotten} of {complete} complete snapshots ({share:.0f} %) would be deleted at once; "
            f"max_forget_percent is {guards.max_forget_percent}",
        )
    share = 100 * freed / stored if stored else 0
    if share > guards.max_free_percent:
        yield GuardHit(
            "max_free_percent",
            f"{freed} of {stored} bytes that snapshots need ({share:.0f} %) would be freed at once; "
            f"max_free_percent is {guards.max_free_percent}. Check that newer snapshots are complete",
        )


def weigh_bucket(*, newest: int, known: int, absence: str) -> Iterator[GuardHit]:
    """The guard on a bucket whose newest record is older than the catalog's serial. `absence`: why it may be
    missing."""
    if newest < known and absence:
        yield GuardHit("rolled_back", f"{absence}, but the catalog has {known} record(s) there; is its disk mounted?")
    elif newest < known:
        yield GuardHit(
            "rolled_back",
            f"the bucket is older than the catalog: its newest record is {newest}, the catalog ends at {known}; "
            "it was rolled back, or its newest records were deleted",
        )
