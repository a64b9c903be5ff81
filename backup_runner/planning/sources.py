"""The parameters for scanning a job's sources."""

from __future__ import annotations

from collections.abc import Sequence

from ..patterns.globs import Rules, compile_rules
from ..repository.own import own_files
from ..source.asked import ScanOptions, ScanSource
from ..spec import Job, SkipLine, Source


def scan_settings(job: Job) -> tuple[list[ScanSource], ScanOptions]:
    """Each source with the job's rules before its own; our own files are excluded."""
    sources = [
        ScanSource(s.path, s.key, rules_of(lines_of(job, s), s), s.bounds, output=s.output is not None)
        for s in job.sources
    ]
    return sources, ScanOptions(job.symlinks, tuple(own_files(job)))


def lines_of(job: Job, source: Source) -> tuple[SkipLine, ...]:
    """The skip lines for a source; later ones win."""
    return (*job.skip, *source.skip)


def rules_of(lines: Sequence[SkipLine], source: Source) -> Rules:
    """These lines, compiled with the source's settings."""
    return compile_rules([line.text for line in lines], ignore_case=source.ignore_case)


def busy_rules(job: Job) -> Rules:
    """The rules of `busy`."""
    return compile_rules(job.busy)


def is_busy(job: Job, rules: Rules, key: bytes) -> bool:
    """Whether the job calls a stored path busy; as with skip rules, it is matched below its source."""
    for source in job.sources:
        if source.covers(key):
            relative = key[len(source.key.rstrip(b"/")) :].strip(b"/")
            decision = rules.decide(relative, is_dir=key.endswith(b"/")) if relative else None
            return decision is not None and decision.skip
    return False
