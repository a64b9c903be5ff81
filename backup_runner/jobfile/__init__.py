"""Job files: YAML in, `spec.Job` or diagnostics out. Offline, keyless, without side effects."""

from .diagnostics import Diagnostic, JobFileError
from .loading import LoadResult, load, load_one
from .rulebook import RULES
from .rules import Rule, Severity

__all__ = ["RULES", "Diagnostic", "JobFileError", "LoadResult", "Rule", "Severity", "load", "load_one"]
