"""Defaults from the config file; the job's own settings override them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..targets.models import TARGET_MODELS
from . import rules
from .diagnostics import Complaints, quoted
from .document import Document
from .wording import example

BY_KEY = ("target", "guards", "prices")
"""Blocks merged key by key; any other block comes entirely from the job or entirely from the config file."""


def fill_up(document: Document, defaults: Mapping[str, object]) -> None:
    """Fill in what the job does not set. `defaults` has a job's shape, but a list of targets: one for each type."""
    data = document.data
    for key, value in defaults.items():
        if key == "target":
            _fill_target(data, value)
        elif key not in data:
            data[key] = _copy(value)
        elif key in BY_KEY and isinstance(data[key], dict) and isinstance(value, Mapping):
            data[key] = _under(data[key], value)


def _fill_target(data: dict[str, Any], defaults: object) -> None:
    target = data.get("target")
    assert isinstance(defaults, list)
    for value in defaults:
        if isinstance(target, dict) and value["type"] == target.get("type"):
            data["target"] = _under(target, value)


def _under(block: dict[str, Any], defaults: Mapping[str, object]) -> dict[str, Any]:
    return {**{name: _copy(item) for name, item in defaults.items()}, **block}


def require(document: Document, complaints: Complaints) -> None:
    """Report required settings that are in neither the job nor the config file."""
    target = document.data.get("target")
    if isinstance(target, dict) and (model := TARGET_MODELS.get(str(target.get("type")))):
        for key in model.NEEDED:
            if key not in target:
                span = document.span(("target",))
                complaints.add(rules.MISSING_KEY, span, f"{quoted(key)} is missing in target", example("target", key))
    for key in ("encryption", "catalog"):
        if key not in document.data:
            complaints.add(rules.MISSING_KEY, document.span(()), f'"{key}" is missing', example("", key))


def _copy(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
