"""Job files: YAML in, `spec.Job` or diagnostics out. Offline, keyless, without side effects."""

from .diagnostics import Diagnostic, JobFileError, Severity
from .loading import LoadResult, load, load_one
from .rules import RULES, Rule

__all__ = ["RULES", "Diagnostic", "JobFileError", "LoadResult", "Rule", "Severity", "load", "load_one"]
