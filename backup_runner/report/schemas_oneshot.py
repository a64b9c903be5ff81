"""Schemas of the one-shot commands' own outputs and of settings."""

from __future__ import annotations

from collections.abc import Callable

from .imports import COUNTS
from .schema_words import BASE64, COUNT, FLAG, TEXT, TEXTS, Schema, list_of, nullable, object_of

_FILE = object_of(
    {
        "id": COUNT,
        "local_file_path": TEXT,
        "backup_entry_id": COUNT,
        "local_md5_checksum": nullable(TEXT),
        "size": COUNT,
        "mtime_ns": {"type": "integer"},
        "job": TEXT,
        "held_back": FLAG,
    },
    {"local_file_path_base64": BASE64},
)
_CONTENT = object_of(
    {
        "id": COUNT,
        "uploaded_file_path": {},
        "uploaded_md5_checksum": {},
        "original_md5_checksum": nullable(TEXT),
        "size": nullable(COUNT),
        "format": TEXT,
        "files": COUNT,
    }
)
_CRYPTED = object_of(
    {
        "plain_size": COUNT,
        "sealed_size": COUNT,
        "plain_md5": TEXT,
        "sealed_md5": TEXT,
        "authentic": {**FLAG, "description": "whether a MAC authenticated the plain file"},
    }
)
_PROBLEM = object_of({"path": TEXT, "problem": TEXT, "message": TEXT}, {"path_base64": BASE64})


def _imported() -> Schema:
    return object_of({**dict.fromkeys(COUNTS, COUNT), "problems": list_of(_PROBLEM), "notes": TEXTS})


def _duplicates() -> Schema:
    return {"type": "object", "additionalProperties": list_of(_FILE), "description": "by the id of the content"}


def _settings() -> Schema:
    setting = object_of({"value": {"type": ["string", "number", "boolean", "null"]}, "origin": TEXT})
    return object_of({"file": nullable(TEXT), "settings": {"type": "object", "additionalProperties": setting}})


def _schedule() -> Schema:
    return {"type": "object", "additionalProperties": TEXT, "description": "texts by unit name, or `crontab`"}


MAKERS: dict[str, tuple[str, Callable[[], Schema]]] = {
    "file-list": ("`file list --json`", lambda: list_of(_FILE)),
    "file-duplicates": ("`file duplicates --json`", _duplicates),
    "file-md5": ("`file md5 --json`", lambda: object_of({"path": TEXT, "md5": TEXT})),
    "file-encrypt": ("`file encrypt --json`", lambda: _CRYPTED),
    "file-decrypt": ("`file decrypt --json`", lambda: _CRYPTED),
    "backup-list": ("`backup list --json`", lambda: list_of(_CONTENT)),
    "config-show": ("`config show --json`", _settings),
    "schedule": ("`schedule --json`", _schedule),
    "catalog-import-backup-tool": ("`catalog import-backup-tool --json`", _imported),
}
