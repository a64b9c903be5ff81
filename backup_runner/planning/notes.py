"""Sentences of a plan about what it left alone, and on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..records import Problem
from ..source.walk import ScanTotals

_NAMED = 20


@dataclass(slots=True)
class Specials:
    """Sockets, fifos and devices. They hold no content, so nothing is missing without them: named, and no problem."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        self.count += 1
        if self.count <= _NAMED:
            self.named.append(f"{problem.key.decode('utf-8', 'backslashreplace')} {problem.message}")

    def notes(self) -> Iterator[str]:
        if self.count:
            more = f" and {self.count - _NAMED} more" if self.count > _NAMED else ""
            yield f"not backed up, since it holds no content: {', '.join(self.named)}{more}"


def scan_notes(totals: ScanTotals, foreign: int) -> Iterator[str]:
    """What the scan passed by; `foreign` objects in the bucket are not ours."""
    for count, text in (
        (totals.skipped, "skipped by rules (folders count once)"),
        (totals.symlinks_skipped, "symlink{s} skipped (symlinks: skip)"),
        (totals.left_out, "of our own files and folders left out (catalog, bucket, work directory)"),
        (foreign, "object{s} of others in the bucket, not touched"),
    ):
        if count:
            yield f"{count} {text.format(s='' if count == 1 else 's')}"
