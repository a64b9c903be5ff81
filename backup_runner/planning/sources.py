"""The parameters for scanning a job's sources."""

from __future__ import annotations

from ..patterns.globs import Rules, compile_rules
from ..repository.own import own_files
from ..source import settings
from ..source.asked import ScanOptions, ScanSource
from ..source.settings import lines_of, rules_of
from ..spec import Job

__all__ = ["busy_rules", "is_busy", "lines_of", "rules_of", "scan_settings"]


def scan_settings(job: Job) -> tuple[list[ScanSource], ScanOptions]:
    """Those of `source.settings`, without our own files."""
    return settings.scan_settings(job, own_files(job))


def busy_rules(job: Job) -> Rules:
    """The rules of `busy`."""
    return compile_rules(job.busy)


def is_busy(job: Job, rules: Rules, key: bytes) -> bool:
    """Whether the job calls a stored path busy; as with skip rules, it is matched below its source. A source that is
    itself a file is matched by its name."""
    for source in job.sources:
        if source.covers(key):
            relative = key[len(source.key.rstrip(b"/")) :].strip(b"/")
            is_dir = not key or key.endswith(b"/")
            relative = relative or (b"" if is_dir else key.rpartition(b"/")[2])
            decision = rules.decide(relative, is_dir=is_dir) if relative else None
            return decision is not None and decision.skip
    return False
