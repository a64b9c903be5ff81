"""The digest of a resolved job: SHA-256 over canonical JSON of everything that can change what a run does."""

from __future__ import annotations

import hashlib
import json
from dataclasses import Field, fields, is_dataclass
from typing import Any

UNDIGESTED = "undigested"
"""Field metadata: source positions and derived values; not part of the digest."""


LATER = "later"
"""Field metadata: a setting added later; not part of the digest while it has its default."""


def digest_of(value: object) -> str:
    """Hex SHA-256. Equal values give equal digests on every machine and Python version."""
    text = json.dumps(_plain(value), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _counts(field: Field[Any], value: Any) -> bool:
    if UNDIGESTED in field.metadata:
        return False
    return LATER not in field.metadata or getattr(value, field.name) != field.default


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        shown = {f.name: _plain(getattr(value, f.name)) for f in fields(value) if _counts(f, value)}
        # Two kinds of target must differ even if their fields happen to agree.
        return {"": type(value).__name__, **shown}
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
