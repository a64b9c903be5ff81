"""Keeps count of the results of a restore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ..catalog.restoring import FileRow, PlainRow
from ..options import RestoreOptions
from ..progress import Events, RestoreOutcome
from ..records import Problem
from .attributes import Lack
from .chattr import LAST, flags_of
from .work import CAUGHT, FAILED, fatal_reason, problem_of
from .write import Decision


class Book:
    """Counts, problems and notes of one restore, and whether it should continue."""

    def __init__(self, options: RestoreOptions, events: Events, outcome: RestoreOutcome) -> None:
        self.options = options
        self.events = events
        self.outcome = outcome
        self.counts: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.fatal: str | None = None
        """Why no further file can be written."""
        self.absent: set[int] = set()
        """Path ids of files that were not restored: kept, or failed. Hard links may depend on them."""
        self.unsealed: list[tuple[FileRow, str]] = []
        """Restored files that still lack the flags that are set last, with their results."""
        self._common: dict[str, tuple[bytes, int]] = {}

    def stopped(self) -> bool:
        """Whether to stop: requested, or because nothing can be written any more."""
        if not self.outcome.interrupted and not self.fatal:
            self.outcome.interrupted = self.options.stop()
        return self.outcome.interrupted or self.fatal is not None

    def record(self, row: FileRow | PlainRow, status: str) -> None:
        """Record the result for a path."""
        size = row.size if isinstance(row, FileRow) else 0
        self.counts[status] += 1
        if status == Decision.WRITE:
            self.outcome.bytes += size
        if status == Decision.KEEP:
            self.problem(row.key, "kept", "already exists and differs; it was not changed (see --overwrite)")
            if isinstance(row, FileRow):
                self.absent.add(row.path_id)
            return
        if isinstance(row, FileRow) and flags_of(row.flags) & LAST:
            self.unsealed.append((row, status))
        if self.options.listen:
            self.options.listen(status, row.key, size)

    def record_all(self, rows: Sequence[FileRow], statuses: Sequence[str]) -> None:
        """Record the results of many files; those that failed are reported with `fail`."""
        if self.options.listen or any(row.flags for row in rows) or any(one != Decision.WRITE for one in statuses):
            for row, status in zip(rows, statuses, strict=True):
                if status != FAILED:
                    self.record(row, status)
            return
        self.counts[Decision.WRITE.value] += len(rows)
        self.outcome.bytes += sum(row.size for row in rows)

    def fail(self, row: FileRow, kind: str, text: str) -> None:
        """Record that a file was not restored."""
        self.problem(row.key, kind, text)
        self.absent.add(row.path_id)

    def problem(self, key: bytes, kind: str, text: str) -> None:
        self.outcome.problems.append(Problem(key, kind, text))
        if self.options.listen:
            self.options.listen(kind, key, 0)

    def lacking(self, found: Iterable[tuple[bytes, list[Lack]]]) -> None:
        """Record restored files and folders that lack some of their attributes."""
        for key, lacks in found:
            if own := [lack.text for lack in lacks if not lack.common]:
                self.problem(key, "attributes", "could not be set: " + ", ".join(own))
            for lack in lacks:
                if lack.never:
                    self.notes[f"not restored: {lack.text}"] += 1
                elif lack.common:
                    first, count = self._common.get(lack.text, (key, 0))
                    self._common[lack.text] = min(first, key), count + 1

    def incomplete_folders(self) -> set[bytes]:
        """Folders in which something is not as in the snapshot."""
        lacking = (one.key.removesuffix(b"/") for one in self.outcome.problems if one.kind != "attributes")
        return {key[: key.rfind(b"/") + 1] for key in lacking}

    def attempt(self, key: bytes, act: Callable[[], object]) -> None:
        """Run code for one path; errors become a problem of that path."""
        try:
            act()
        except CAUGHT as error:
            self.problem(key, *problem_of(error))
            self.fatal = self.fatal or fatal_reason(error)

    def attempt_quietly(self, what: str, act: Callable[[], object]) -> bool:
        """The same for errors that are only worth a note: "the mode of a folder could not be set", say."""
        try:
            act()
        except CAUGHT as error:
            self.notes[f"{what} ({problem_of(error)[1]})"] += 1
            return False
        return True

    def conclude(self) -> None:
        """Put the results into the outcome."""
        for text, (key, count) in self._common.items():
            others = f"; {count - 1:,} more files and folders lack it, too" if count > 1 else ""
            self.problem(key, "attributes", f"could not be set: {text}{others}")
        self.outcome.counts = dict(self.counts)
        self.outcome.notes += [
            text if count == 1 else f"{text}: {count:,} times" for text, count in sorted(self.notes.items())
        ]
        self.outcome.problems.sort()
