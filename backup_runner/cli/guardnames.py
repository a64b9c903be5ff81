"""The names of guards, for --override-guard."""

from __future__ import annotations

GUARDS = (
    "source_missing", "source_empty", "require_mount", "min_files", "max_change_percent", "max_delete_percent",
    "rolled_back", "max_cost_per_month", "max_forget_percent", "max_free_percent",
)  # fmt: skip
