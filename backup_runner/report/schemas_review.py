"""Schemas for reviews: `plan --explain`, `skips`, and costs in plans."""

from __future__ import annotations

from collections.abc import Callable

from .schema_words import BASE64, BY_ACTION, COUNT, FLAG, TEXT, TIME, Schema, line_of, list_of, nullable, object_of

_PATH = object_of({"path": TEXT}, {"path_base64": BASE64})
_RULE_FIELDS = {"file": TEXT, "line": COUNT, "text": TEXT, "origin": {"enum": ["job", "source"]}}
_RULE_FIELDS |= {
    "setting": {**TEXT, "description": 'the key, for a setting that is no rule, e.g. skip_caches; else ""'}
}
_RULE = object_of(_RULE_FIELDS)
_AT = object_of({"id": COUNT, "scanned": TIME, "status": {"enum": ["running", "complete", "partial"]}})
_VERSION = {
    "type": {"enum": ["file", "directory", "symlink"]},
    "size": COUNT,
    "mtime_ns": {"type": "integer"},
    "mode": COUNT,
    "uid": COUNT,
    "gid": COUNT,
}
_DIGESTS = {"blake3": TEXT, "md5": TEXT, "target": TEXT, "target_base64": BASE64, "flags": list_of(TEXT)}
_STATES = ["taken", "skipped", "own", "symlink", "special", "missing", "unreadable", "outside"]
_PROBLEM = object_of({"path": TEXT, "problem": TEXT, "message": TEXT}, {"path_base64": BASE64})

_MONEY: Schema = {"type": "number", "minimum": 0}
_BY_TIER: Schema = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"},
    "additionalProperties": _MONEY,
}

COST = object_of(
    {
        "estimate": {"const": True},
        "currency": TEXT,
        "prices_of": TEXT,
        "requests": COUNT,
        "requests_cost": _MONEY,
        "gb_months_added": _BY_TIER,
        "gb_months_freed": _BY_TIER,
        "early_deletion_cost": _MONEY,
        "retrieval_cost": _MONEY,
        "storage_before": _MONEY,
        "storage_after": _MONEY,
        "month_total": _MONEY,
    }
)
"""The cost of a plan for OCI; amounts are in `currency`, 1 GB is 10⁹ bytes."""


HISTORY = object_of(
    {
        "id": COUNT,
        "scanned_ns": {"type": "integer"},
        "status": {"enum": ["running", "complete", "partial"]},
        "totals": {"type": "object"},
    }
)
"""A snapshot of the job as it was when the plan was made."""


def _explain() -> Schema:
    objects = list_of(object_of({"object": TEXT, "size": COUNT, "tier": TEXT, "state": TEXT}))
    stored = object_of(_VERSION | {"content": nullable(COUNT), "objects": objects}, _DIGESTS)
    version = object_of(_VERSION | {"first": _AT, "last": _AT, "snapshots": COUNT}, _DIGESTS)
    return line_of(
        "explanation",
        {
            "job": TEXT,
            "path": TEXT,
            "state": {"enum": _STATES},
            "decided_at": {**_PATH, "description": "the path itself, or the folder above it that decides"},
            "source": nullable(TEXT),
            "rule": nullable(_RULE),
            "action": nullable(TEXT),
            "why": TEXT,
            "actions_below": BY_ACTION,
            "problems": list_of(_PROBLEM),
            "stored": nullable(stored),
            "versions": list_of(version),
        },
        {"path_base64": BASE64},
    )


def _skips() -> Schema:
    largest = list_of(object_of({"path": TEXT, "size": COUNT}, {"path_base64": BASE64}))
    line = object_of(
        _RULE_FIELDS | {"brings_back": FLAG, "files": COUNT, "folders": COUNT, "bytes": COUNT, "largest": largest}
    )
    return object_of(
        {
            "job": TEXT,
            "lines": list_of(line),
            "kept_files": COUNT,
            "kept_bytes": COUNT,
            "problems": list_of(_PROBLEM),
        }
    )


_SIZED = object_of({"path": TEXT, "files": COUNT, "bytes": COUNT}, {"path_base64": BASE64})


def _stats() -> Schema:
    names = (
        "jobs_in_lineage versions version_bytes distinct_bytes unique_bytes objects object_bytes object_plain_bytes "
        "unused_bytes"
    )
    counted = dict.fromkeys(names.split(), COUNT)
    step = {
        "id": COUNT,
        "scanned": TIME,
        "status": {"enum": ["running", "complete", "partial"]},
        "kept_bytes": {**COUNT, "description": "bytes of the objects of today that are not younger than the snapshot"},
        **dict.fromkeys(("files", "bytes", "new_bytes", "stored_bytes"), COUNT),
    }
    folder = {"path": TEXT, "files": COUNT, "bytes": COUNT, "rest": FLAG}
    freed = {"snapshots": COUNT, "objects": COUNT, "bytes": COUNT, "guards": list_of(TEXT)}
    return object_of(
        {
            "job": TEXT,
            "target": TEXT,
            **counted,
            "deduplication": nullable({"type": "number", "minimum": 0}),
            "compression": nullable({"type": "number", "minimum": 0}),
            "sources": list_of(_SIZED),
            "snapshots": list_of(object_of(step)),
            "bytes_by_tier": {"type": "object", "additionalProperties": COUNT},
            "folders": list_of(object_of(folder, {"path_base64": BASE64})),
            "prune": {**object_of(freed), "description": "what `prune` would free now, estimated for rewritten packs"},
        }
    )


def _progress() -> Schema:
    head = {"time": TIME, "phase": {**TEXT, "description": "the stage, e.g. `backing up`"}}

    def event(name: str, fields: dict[str, Schema]) -> Schema:
        return object_of({"event": {"const": name}, **head, **fields})

    done = {
        "files_done": COUNT,
        "files": {**nullable(COUNT), "description": "of this stage and run; null: unknown"},
        "bytes_done": COUNT,
        "bytes": nullable(COUNT),
        "bytes_per_second": {**COUNT, "description": "over the last 15 seconds"},
        "seconds_left": nullable({"type": "number", "minimum": 0}),
        "current": {**nullable(TEXT), "description": "the file or object that was begun last"},
        "limit_bytes_per_second": {
            **nullable({"type": "number"}),
            "description": "the limit of the job that holds the run back now",
        },
    }
    return {
        "oneOf": [
            event("phase", {"files": nullable(COUNT), "bytes": nullable(COUNT)}),
            event("progress", done),
            event("warning", {"message": TEXT}),
        ]
    }


MAKERS: dict[str, tuple[str, Callable[[], Schema]]] = {
    "explain": ("One line of `plan --explain --json`", _explain),
    "stats": ("`stats --json`", _stats),
    "progress": ("One line on stderr with `--progress json`", _progress),
    "skips": ("`skips --json`", _skips),
}
