"""Job files: YAML in, `spec.Job` or diagnostics out. Works offline, without a key, and has no side effects."""

from .diagnostics import Diagnostic, JobFileError
from .finding import find_job_files
from .loading import LoadResult, load, load_one
from .rulebook import RULES
from .rules import Rule, Severity

__all__ = [
    "RULES",
    "Diagnostic",
    "JobFileError",
    "LoadResult",
    "Rule",
    "Severity",
    "find_job_files",
    "load",
    "load_one",
]
