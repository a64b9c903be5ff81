"""JSON schemas (draft 2020-12) of `--json` outputs; `schemas/*.json` are generated from these.

For JSON Lines the schema describes one line. Members may be added within a version, but not removed.
"""

from __future__ import annotations

from collections.abc import Callable

from .schema_words import BASE64 as _BASE64
from .schema_words import COUNT as _COUNT
from .schema_words import FLAG as _FLAG
from .schema_words import SECONDS as _SECONDS
from .schema_words import TEXT as _TEXT
from .schema_words import TEXTS as _TEXTS
from .schema_words import TIME as _TIME
from .schema_words import Schema
from .schema_words import line_of as _line
from .schema_words import list_of as _list
from .schema_words import nullable as _nullable
from .schema_words import object_of as _object
from .schemas_oneshot import MAKERS as _ONESHOT
from .schemas_plan import MAKERS as _PLANS
from .schemas_plan import PROBLEM_LINE as _PROBLEM_LINE
from .schemas_review import MAKERS as _REVIEW

VERSION = 1


def _restore() -> Schema:
    summary = {
        "dry_run": _FLAG,
        "snapshot": _COUNT,
        "snapshot_time": _nullable(_TIME),
        "counts": {"type": "object", "additionalProperties": _COUNT},
        "bytes": _COUNT,
        "problem_count": _COUNT,
        "pending_thaw": _COUNT,
        "notes": _TEXTS,
        "interrupted": _FLAG,
        "seconds": _SECONDS,
    }
    done = {"enum": ["restored", "unchanged", "linked", "symlinks"], "description": "with --dry-run"}
    file = {"would_be": done, "path": _TEXT, "size": _COUNT}
    raw = {"path_base64": _BASE64}
    lines = [_line("delete", {"path": _TEXT}, raw), _line("file", file, raw)]
    return {"oneOf": [*lines, _PROBLEM_LINE, _line("summary", summary)]}


def _verify() -> Schema:
    summary = {
        "level": {"enum": ["listing", "headers", "data"]},
        "passed": _FLAG,
        "objects": _COUNT,
        "contents": _COUNT,
        "bytes": _COUNT,
        "damaged": _COUNT,
        "problem_count": _COUNT,
        "unknown": _COUNT,
        "notes": _TEXTS,
        "interrupted": _FLAG,
        "seconds": _SECONDS,
    }
    bad = _line("object", {"object": _TEXT, "message": _TEXT})
    return {"oneOf": [bad, _PROBLEM_LINE, _line("summary", summary)]}


_SNAPSHOT = _object(
    {
        "id": _COUNT,
        "job": _TEXT,
        "scanned": _TIME,
        "started": _TIME,
        "finished": _nullable(_TIME),
        "seconds": _nullable({"type": "number"}),
        "status": {"enum": ["running", "complete", "partial"]},
        "plan_id": _TEXT,
        "host": _TEXT,
        "tags": _TEXTS,
        "note": _TEXT,
        "totals": {"type": "object"},
    }
)


def _snapshots() -> Schema:
    return _list(_SNAPSHOT)


def _validate() -> Schema:
    diagnostic = {
        "file": _TEXT,
        "line": _COUNT,
        "column": _COUNT,
        "code": {"type": "string", "pattern": "^BR[0-9]{3}$"},
        "severity": {"enum": ["error", "warning"]},
        "message": _TEXT,
        "hint": _nullable(_TEXT),
    }
    return _object(
        {
            "valid": _FLAG,
            "jobs": _list(_object({"name": _TEXT, "file": _TEXT})),
            "diagnostics": _list(_object(diagnostic)),
        }
    )


_FLAGS = [
    *("stale", "sparse", "moved", "by_md5", "no_attributes"),
    *("immutable", "append_only", "no_dump", "no_atime", "no_cow"),
]
_ENTRY = {
    "type": {"enum": ["file", "directory", "symlink"]},
    "size": _COUNT,
    "mtime_ns": {"type": "integer"},
    "mode": {**_COUNT, "description": "permission bits, st_mode & 07777"},
    "uid": _COUNT,
    "gid": _COUNT,
}
_ENTRY_MORE = {
    "birth_time_ns": {"type": "integer", "description": "when it was created, if the job stores that"},
    "blake3": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "md5": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "target": {**_TEXT, "description": "of a symlink"},
    "target_base64": _BASE64,
    "flags": _list({"enum": _FLAGS}),
}
_AT = _object({"id": _COUNT, "scanned": _TIME, "status": {"enum": ["running", "complete", "partial"]}})
_SPAN = {"first": _AT, "last": _AT, "snapshots": _COUNT}
_WHAT = _list(
    {"enum": ["type", "content", "size", "target", "mtime", "mode", "owner", "xattrs", "links", "birth_time"]}
)
_NAMED = {"path": _TEXT}
_NAMED_MORE = {"path_base64": _BASE64}


def _files_list() -> Schema:
    summary = {"snapshot": _AT, "files": _COUNT, "folders": _COUNT, "symlinks": _COUNT, "bytes": _COUNT}
    names = {"user": _TEXT, "group": _TEXT}
    entry = _line("entry", _NAMED | _ENTRY, _NAMED_MORE | _ENTRY_MORE | names)
    return {"oneOf": [entry, _line("summary", summary)]}


def _diff() -> Schema:
    changes = {"enum": ["added", "removed", "changed", "touched"]}
    one = _nullable(_object(_ENTRY, _ENTRY_MORE))
    change = _line("change", {"change": changes} | _NAMED | {"what": _WHAT, "before": one, "after": one}, _NAMED_MORE)
    counts = {"type": "object", "propertyNames": changes, "additionalProperties": _COUNT}
    to = _nullable(_AT) | {"description": "null: the disk"}
    return {"oneOf": [change, _line("summary", {"from": _AT, "to": to, "counts": counts, "folders": counts})]}


def _find() -> Schema:
    version = _line("version", _NAMED | _ENTRY | _SPAN, _NAMED_MORE | _ENTRY_MORE)
    return {"oneOf": [version, _line("summary", {"paths": _COUNT, "versions": _COUNT})]}


def _history() -> Schema:
    version = _line("version", _NAMED | _ENTRY | _SPAN | {"what": _WHAT}, _NAMED_MORE | _ENTRY_MORE)
    return {"oneOf": [version, _line("absent", _NAMED | _SPAN, _NAMED_MORE)]}


def _recovered() -> Schema:
    return _object(
        {
            "lineage": _TEXT,
            "serial": _COUNT,
            "created": _nullable(_TIME),
            "age_seconds": _nullable(_COUNT),
            "jobs": _TEXTS,
            "snapshots": _COUNT,
            "files": _COUNT,
            "records": _COUNT,
            "copies": _COUNT,
            "objects": _COUNT,
            "missing": _TEXTS,
            "notes": _TEXTS,
            "seconds": _SECONDS,
        }
    )


_LINEAGE = _object(
    {
        "lineage": _TEXT,
        "opens": _FLAG,
        "why": _TEXT,
        "serial": _COUNT,
        "created": _nullable(_TIME),
        "jobs": _TEXTS,
        "records": _COUNT,
        "copies": _COUNT,
        "objects": _COUNT,
        "bytes": _COUNT,
    }
)


def _catalog_info() -> Schema:
    job = _object({"name": _TEXT, "snapshots": _COUNT, "last": _nullable(_SNAPSHOT)})
    store = {"target": _TEXT, "lineage": _TEXT, "serial": _COUNT, "key_id": _TEXT, "state": _TEXT, "jobs": _list(job)}
    return _object(
        {
            "catalog": _TEXT,
            "format": _nullable(_COUNT),
            "migrated_from": _nullable(_COUNT),
            "stores": _list(_object(store)),
            "bucket": _nullable(_list(_LINEAGE)),
        }
    )


def _key_check() -> Schema:
    return _object(
        {
            "key_id": _TEXT,
            "kind": {"enum": ["raw", "text", "pair"]},
            "bytes": {"enum": [16, 24, 32]},
            "opens": {"type": ["boolean", "null"], "description": "null: no object to test it on"},
            "object": _nullable(_TEXT),
            "why": _TEXT,
        }
    )


def _key_list() -> Schema:
    known = {"name": _TEXT, "fingerprint": _TEXT, "since": _COUNT}
    recipient = _object({**known, "kind": _TEXT, "owner": _FLAG})
    writer = _object(
        {
            **known,
            "rights": _TEXT,
            "void_after": _nullable(_COUNT),
            "machine_of": _nullable(_TEXT),
            "this_machine": _FLAG,
        }
    )
    return _object(
        {
            "lineage": _TEXT,
            "envelope": _COUNT,
            "epoch": _COUNT,
            "recipients": _list(recipient),
            "writers": _list(writer),
        }
    )


def _target_check() -> Schema:
    check = {"operation": _TEXT, "ok": _FLAG, "policy": _TEXT, "message": _TEXT, "held": _FLAG}
    return _object({"target": _TEXT, "ok": _FLAG, "write_only": _FLAG, "checks": _list(_object(check))})


_MAKERS: dict[str, tuple[str, Callable[[], Schema]]] = {
    **_PLANS,
    "restore": ("One line of `restore --json`", _restore),
    "verify": ("One line of `verify --json`", _verify),
    "snapshots": ("`snapshots --json`", _snapshots),
    "validate": ("`validate --format json`", _validate),
    "files-list": ("One line of `files list --json`", _files_list),
    "diff": ("One line of `diff --json`", _diff),
    "find": ("One line of `find --json`", _find),
    "history": ("One line of `history --json`", _history),
    "catalog-pull": ("`catalog pull --json`", _recovered),
    "catalog-rebuild": ("`catalog rebuild --json`", _recovered),
    "catalog-info": ("`catalog info --json`", _catalog_info),
    "key-check": ("`key check --json`", _key_check),
    "key-list": ("`key list --json`", _key_list),
    "target-check": ("`target check --json`", _target_check),
    **_REVIEW,
    **_ONESHOT,
}

OUTPUTS = tuple(_MAKERS)
"""Names of the outputs with a schema."""


def output_schema(name: str) -> Schema:
    """The schema of one of `OUTPUTS`."""
    title, make = _MAKERS[name]
    top = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "version": VERSION}
    return top | make()
