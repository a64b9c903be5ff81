"""JSON schemas of plans and of what becomes of them: `plan`, `apply`, `prune`."""

from __future__ import annotations

from collections.abc import Callable

from ..reasons import Cause, Finding
from .schema_words import BASE64 as _BASE64
from .schema_words import BY_ACTION as _BY_ACTION
from .schema_words import COUNT as _COUNT
from .schema_words import FLAG as _FLAG
from .schema_words import PATH_ACTIONS, Schema
from .schema_words import SECONDS as _SECONDS
from .schema_words import TEXT as _TEXT
from .schema_words import TEXTS as _TEXTS
from .schema_words import line_of as _line
from .schema_words import list_of as _list
from .schema_words import nullable as _nullable
from .schema_words import object_of as _object
from .schemas_review import COST, HISTORY

_PATH = _object({"path": _TEXT}, {"path_base64": _BASE64})
_PROBLEM_FIELDS = {"path": _TEXT, "problem": _TEXT, "message": _TEXT}
_PROBLEM = _object(_PROBLEM_FIELDS, {"path_base64": _BASE64})
PROBLEM_LINE = _line("problem", _PROBLEM_FIELDS, {"path_base64": _BASE64})
_GUARD = _object({"name": _TEXT, "message": _TEXT})

_LEFT_OUT = {
    "type": "object",
    "description": "entries that the scan left out on purpose, by reason; reasons with none are absent",
    "additionalProperties": _COUNT,
}
_SAFE = dict.fromkeys(("files", "bytes", "partial_files", "pieces", "piece_bytes"), _COUNT)

_HOLDER = _object({"name": _TEXT, "kind": _TEXT, "fingerprint": _TEXT})

_HEADER = _line(
    "header",
    {
        "format": {"enum": [1, 2, 3]},
        "plan_id": _TEXT,
        "job": _TEXT,
        "job_file": _TEXT,
        "job_digest": _TEXT,
        "lineage": _TEXT,
        "serial": _COUNT,
        "listing": _TEXT,
        "created_ns": {"type": "integer"},
        "scanned_ns": {"type": "integer"},
        "scope": _TEXTS,
        "totals": _object(
            {
                "counts": _BY_ACTION,
                "bytes": _BY_ACTION,
                "folders": _BY_ACTION,
                "unchanged": _COUNT,
                "unread": _COUNT,
                "unread_bytes": _COUNT,
                "left_out": _LEFT_OUT,
            },
        ),
        "problems": _list(_PROBLEM),
        "problem_count": _COUNT,
        "guards": _list(_GUARD),
        "overridden": _TEXTS,
        "notes": _TEXTS,
        "pruning": {"enum": ["none", "retention", "only"]},
        "cost": _nullable(COST),
        "history": _list(HISTORY),
    },
    {"opens": _list(_HOLDER)},
)

# Lines of a plan file that an earlier version made have the text alone.
_REASON = {"why": {**_TEXT, "description": "the reason in words"}}
_FOUND = {
    "reason": {"enum": [cause.value for cause in Cause]},
    "found": _list({"enum": [finding.value for finding in Finding]}),
    "details": _list({"type": ["string", "integer"]}),
}

_ACTION = {
    "oneOf": [
        _line(
            "action",
            {
                "action": {"enum": list(PATH_ACTIONS)},
                "path": _TEXT,
                "type": {"enum": ["file", "directory", "symlink"]},
                "size": _COUNT,
                "mtime_ns": {"type": "integer"},
                "ctime_ns": {"type": "integer"},
                **_REASON,
            },
            {
                **_FOUND,
                "path_base64": _BASE64,
                "blake3": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                "content": {"type": "integer"},
                "leader": _TEXT,
                "leader_base64": _BASE64,
                "forced": _FLAG,
            },
        ),
        _line(
            "action",
            {"action": {"enum": ["adopt", "repack", "delete"]}, "object": _TEXT, "size": _COUNT, **_REASON},
            _FOUND,
        ),
        _line("action", {"action": {"const": "forget"}, "snapshot": _COUNT, "size": _COUNT, **_REASON}, _FOUND),
        _line(
            "action",
            {
                "action": {"const": "key"},
                "change": {"enum": ["add", "remove"]},
                "recipient": _TEXT,
                "fingerprint": _TEXT,
                **_REASON,
            },
            _FOUND,
        ),
    ]
}

_SUMMARY = {
    "counts": _BY_ACTION,
    "bytes": {**_COUNT, "description": "bytes that are read and stored: upload, update, repair"},
    "bytes_by_action": _BY_ACTION,
    "folders": _BY_ACTION,
    "unchanged": _COUNT,
    "problems": _list(_PROBLEM),
    "problem_count": _COUNT,
    "notes": _TEXTS,
}


_UNREAD = {
    "unread": {**_COUNT, "description": "changed large files whose new parts are determined by apply"},
    "unread_bytes": _COUNT,
    "left_out": _LEFT_OUT,
}


def _plan() -> Schema:
    summary = _line(
        "summary",
        _SUMMARY
        | _UNREAD
        | {"unchanged_bytes": _COUNT, "guards": _list(_GUARD), "opens": _list(_HOLDER), "cost": _nullable(COST)},
    )
    saved = _line("saved", {"file": _TEXT, "sha256": _TEXT, "sealed": _FLAG})
    return {"oneOf": [_HEADER, _ACTION, saved, summary]}


def _apply() -> Schema:
    own = {
        "status": {"enum": ["complete", "partial", "nothing"]},
        "interrupted": _FLAG,
        "snapshot": _nullable(_COUNT),
        "serial": _COUNT,
        "held": _list(_PATH),
        "changed_since_plan": _list(_PATH),
        "read_bytes": _COUNT,
        "new_bytes": _COUNT,
        "stored_bytes": _COUNT,
        "stored_objects": _COUNT,
        "deleted_bytes": _COUNT,
        "safe": _object(_SAFE),
        "seconds": _SECONDS,
    }
    return {"oneOf": [_HEADER, _ACTION, _line("summary", _SUMMARY | own)]}


def _prune() -> Schema:
    """An apply's lines; with --dry-run, or if there is nothing to do, with a plan's summary at the end."""
    return {"oneOf": [_HEADER, _ACTION, {"anyOf": [_apply()["oneOf"][-1], _plan()["oneOf"][-1]]}]}


MAKERS: dict[str, tuple[str, Callable[[], Schema]]] = {
    "plan": ("One line of `plan --json` and `show --json`", _plan),
    "apply": ("One line of `apply --json`", _apply),
    "prune": ("One line of `prune --json`", _prune),
}
