"""What is on the disk, while a plan is made: a scan in a process of its own, here, or of known paths only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..options import PlanOptions
from ..progress import Events
from ..records import EntryFields, Problem
from ..source.process import ScanProcess
from ..source.walk import ScanTotals, scan_fields
from ..spec import Job
from .known import look_at_known
from .past import Past
from .sources import scan_settings

_WORTH_A_PROCESS = 10_000


class Scanning:
    """`totals` are complete once `batches` is exhausted."""

    def __init__(self, job: Job, options: PlanOptions, past: Past, on_problem: Callable[[Problem], None]) -> None:
        self.totals = ScanTotals()
        self.expected = past.files
        """How many files there were last time; 0 if that is not known."""
        self._job, self._options, self._past, self._on_problem = job, options, past, on_problem
        self._process: ScanProcess | None = None

    def begin(self) -> None:
        """Start the process, so that the scan goes on beside the rest. Nothing may run on threads yet: it forks."""
        # For a tree that is known to be small, starting a process costs more than it saves.
        small = 0 < self.expected <= _WORTH_A_PROCESS
        if not small and not self._options.known_only and self._options.pruning != "only":
            self._process = ScanProcess(*scan_settings(self._job))

    def batches(self, events: Events) -> Iterator[Sequence[EntryFields]]:
        """Entries sorted by key, some at a time."""
        if self._options.known_only:
            if self._past.cat is not None and self._past.job_id is not None:
                yield from look_at_known(self._past.cat, self._past.job_id, self._job, self.totals, self._on_problem)
            return
        batches: Iterator[list[EntryFields]]
        if self._process:
            batches = self._process.batches(totals=self.totals, on_problem=self._on_problem)
        else:
            sources, options = scan_settings(self._job)
            batches = scan_fields(sources, options, totals=self.totals, on_problem=self._on_problem)
        for batch in batches:
            events.advance(len(batch), 0)
            yield batch

    def close(self) -> None:
        if self._process:
            self._process.close()
