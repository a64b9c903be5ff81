"""What a scan of a job's sources is asked."""

from __future__ import annotations

from ..patterns.globs import compile_rules
from ..repository.session import Session
from ..source.asked import ScanOptions, ScanSource


def scan_settings(session: Session) -> tuple[list[ScanSource], ScanOptions]:
    """Each source with the job's rules before its own; our own files are left out."""
    job = session.job
    sources = [
        ScanSource(s.path, s.key, compile_rules([line.text for line in (*job.skip, *s.skip)])) for s in job.sources
    ]
    return sources, ScanOptions(job.symlinks, tuple(session.own_files()))
