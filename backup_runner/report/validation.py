"""What `validate` found, as one JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..jobfile import LoadResult


def document(result: LoadResult) -> dict[str, Any]:
    """`validate --format json`: lines and columns count from 1."""
    return {
        "valid": not any(item.severity == "error" for item in result.diagnostics),
        "jobs": [{"name": job.name, "file": job.file} for job in result.jobs],
        "diagnostics": [asdict(item) for item in result.diagnostics],
    }
