"""Defaults from the config file; the job's own settings override them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import rules
from .diagnostics import Complaints
from .document import Document
from .wording import example

BY_KEY = ("target", "guards", "prices")
"""Blocks merged key by key; any other block comes entirely from the job or entirely from the config file."""


def fill_up(document: Document, defaults: Mapping[str, object]) -> None:
    """Fill in what the job does not set. `defaults` has a job's shape; target defaults apply to their type only."""
    data = document.data
    for key, value in defaults.items():
        if key not in data:
            if key != "target":
                data[key] = _copy(value)
        elif key in BY_KEY and isinstance(data[key], dict) and isinstance(value, Mapping):
            if key == "target" and value.get("type", "oci") != data[key].get("type"):
                continue
            data[key] = {**{name: _copy(item) for name, item in value.items()}, **data[key]}


def require(document: Document, complaints: Complaints) -> None:
    """Report required settings that are in neither the job nor the config file."""
    target = document.data.get("target")
    if isinstance(target, dict) and target.get("type") == "oci" and "bucket" not in target:
        span = document.span(("target",))
        complaints.add(rules.MISSING_KEY, span, '"bucket" is missing in target', example("target", "bucket"))
    for key in ("encryption", "catalog"):
        if key not in document.data:
            complaints.add(rules.MISSING_KEY, document.span(()), f'"{key}" is missing', example("", key))


def _copy(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
