"""Notes of a plan about what it skipped on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..records import Problem
from ..source.walk import ScanTotals

_NAMED = 20


@dataclass(slots=True)
class Specials:
    """Sockets, fifos and devices. They have no content, so nothing is missing without them: they are listed, but not a
    problem."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        self.count += 1
        if self.count <= _NAMED:
            self.named.append(f"{problem.key.decode('utf-8', 'backslashreplace')} {problem.message}")

    def notes(self) -> Iterator[str]:
        if self.count:
            more = f" and {self.count - _NAMED} more" if self.count > _NAMED else ""
            yield f"not backed up, because they have no content: {', '.join(self.named)}{more}"


@dataclass(slots=True)
class Noted:
    """Problems and notes of a plan, as they come."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    specials: Specials = field(default_factory=Specials)

    def problem(self, problem: Problem) -> None:
        if problem.kind == "special":
            self.specials.add(problem)
            return
        # A file may be hashed for two reasons; if it cannot be read, that is one problem.
        if problem not in self.problems[-2:]:
            self.problems.append(problem)


def left_out(totals: ScanTotals) -> dict[str, int]:
    """How much the scan excluded, by reason; of files that are too large, the bytes, too. Without zeros."""
    counts = {
        "rules": totals.skipped,
        "marked_folders": totals.marked,
        "other_file_systems": totals.other_systems,
        "too_large": totals.too_large,
        "too_large_bytes": totals.too_large_size,
        "symlinks": totals.symlinks_skipped,
        "special": totals.special,
    }
    return {name: count for name, count in counts.items() if count}


def scan_notes(totals: ScanTotals, foreign: int) -> Iterator[str]:
    """Notes about what the scan skipped; `foreign` is the number of objects in the bucket that are not ours."""
    if totals.too_large:
        named = ", ".join(key.decode("utf-8", "backslashreplace") for key in totals.too_large_named)
        more = totals.too_large - len(totals.too_large_named)
        files = f"{totals.too_large} file{'' if totals.too_large == 1 else 's'}"
        rest = f" and {more} more" if more else ""
        yield f"{files} skipped as too large, {totals.too_large_size} bytes (max_file_size): {named}{rest}"
    for count, text in (
        (totals.skipped, "skipped by rules (a folder counts as one)"),
        (totals.marked, "folder{s} skipped because of a file in them (skip_if_present, skip_caches)"),
        (totals.other_systems, "mount point{s} not entered (one_file_system)"),
        (totals.symlinks_skipped, "symlink{s} skipped (symlinks: skip)"),
        (totals.left_out, "file{s} or folder{s} of backup-runner skipped (catalog, bucket, work directory)"),
        (foreign, "other object{s} in the bucket, not touched"),
    ):
        if count:
            yield f"{count} {text.format(s='' if count == 1 else 's')}"
