"""The parameters for scanning a job's sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..patterns.globs import Rules, compile_rules
from ..spec import Job, SkipLine, Source
from .asked import ScanOptions, ScanSource


def scan_settings(job: Job, own: Iterable[bytes]) -> tuple[list[ScanSource], ScanOptions]:
    """Each source with the job's rules before its own; our own files, at the paths `own`, are excluded."""
    sources = [
        ScanSource(s.path, s.key, rules_of(lines_of(job, s), s), s.bounds, output=s.output is not None)
        for s in job.sources
    ]
    return sources, ScanOptions(job.symlinks, tuple(own))


def lines_of(job: Job, source: Source) -> tuple[SkipLine, ...]:
    """The skip lines for a source; later ones win."""
    return (*job.skip, *source.skip)


def rules_of(lines: Sequence[SkipLine], source: Source) -> Rules:
    """These lines, compiled with the source's settings."""
    return compile_rules([line.text for line in lines], ignore_case=source.ignore_case)
