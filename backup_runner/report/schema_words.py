"""Building blocks of the schemas of `--json` outputs."""

from __future__ import annotations

from typing import Any

from ..records import ActionKind
from .actions import WITHOUT_PATH

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
SECONDS: Schema = {"type": "number", "minimum": 0}
TIME: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}
BASE64: Schema = {"type": "string", "contentEncoding": "base64", "description": "only where the path is not UTF-8"}
ACTIONS = tuple(kind.value for kind in ActionKind)
PATH_ACTIONS = tuple(kind.value for kind in ActionKind if kind not in WITHOUT_PATH)
BY_ACTION: Schema = {"type": "object", "propertyNames": {"enum": list(ACTIONS)}, "additionalProperties": COUNT}


def object_of(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object; more members may be added within a version."""
    return {"type": "object", "properties": required | (optional or {}), "required": list(required)}


def list_of(item: Schema) -> Schema:
    """An array of one kind of item."""
    return {"type": "array", "items": item}


def line_of(kind: str, required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """One of several kinds of lines."""
    return object_of({"kind": {"const": kind}} | required, optional)


def nullable(schema: Schema) -> Schema:
    """That, or null."""
    return {"anyOf": [schema, {"type": "null"}]}
