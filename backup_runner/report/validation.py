"""Results of `validate` as one JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..jobfile import Diagnostic, LoadResult


def document(result: LoadResult, *, strict: bool = False) -> dict[str, Any]:
    """`validate --format json`: lines and columns count from 1; when `strict`, warnings make it invalid."""
    return {
        "valid": not any(strict or item.severity == "error" for item in result.diagnostics),
        "jobs": [{"name": job.name, "file": job.file} for job in result.jobs],
        "diagnostics": [_fields(item) for item in result.diagnostics],
    }


def _fields(item: Diagnostic) -> dict[str, Any]:
    fields = asdict(item)
    # Only marks lines that must not be shown, and lines are not shown here anyway.
    del fields["secret"]
    return fields
