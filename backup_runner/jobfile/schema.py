"""The JSON Schemas of job files and of the config file, generated from the models; copies are in `schemas/`."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ..targets.models import TARGET_MODELS
from .configmodel import ConfigFileModel
from .model import JobModel

JOB_SCHEMA_ID = "https://json.schemastore.org/backup-runner-job.json"
"""An identifier in the form that editors expect; nothing is fetched from it."""

EXAMPLES: list[dict[str, Any]] = [
    {
        "version": 1,
        "name": "documents",
        "sources": [{"path": "~/documents"}],
        "target": {"type": "directory", "path": "/mnt/usb/bucket"},
        "encryption": {"key_file": "~/.backup-runner/crypto-key"},
        "catalog": "~/.backup-runner/catalog.db",
    },
    {
        "version": 1,
        "name": "photos",
        "sources": [{"path": "~/photos", "skip": ["*.raw"]}],
        "skip": ["*.tmp", ".cache/"],
        "relative_path": "~/",
        "target": {"type": "oci", "bucket": "backup", "prefix": "laptop/", "storage_tier": "InfrequentAccess"},
        "encryption": {"key_env": "BACKUP_KEY"},
        "catalog": {"remote": True, "cache": "~/.backup-runner/photos.db"},
        "retention": {"keep_last": 3, "keep_daily": 14, "keep_monthly": 12},
        "guards": {"max_delete_percent": 20},
    },
]


class _JobSchema(GenerateJsonSchema):
    """None means "absent" in the models and cannot be written in files: no null in the schema."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def job_schema() -> dict[str, Any]:
    """The schema of version-1 job files (JSON Schema 2020-12)."""
    schema = JobModel.model_json_schema(schema_generator=_JobSchema)
    _drop_titles(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": JOB_SCHEMA_ID,
        "title": "Backup Runner job",
        **_for_parts(schema),
        "description": "A Backup Runner job, version 1: what to back up, how, and where to.",
        "examples": EXAMPLES,
    }


def _for_parts(schema: dict[str, Any]) -> dict[str, Any]:
    """With `extends`, what is required may be in the shared file, which itself has neither name nor sources."""
    whole = [key for key in schema["required"] if key != "version"]
    kinds = []
    for kind, model in TARGET_MODELS.items():
        needed = schema["$defs"][model.__name__].pop("required")
        kinds.append({"required": needed, "properties": {"type": {"const": kind}}})
    return {
        **schema,
        "required": ["version"],
        "if": {"not": {"required": ["extends"]}, "anyOf": [{"required": ["name"]}, {"required": ["sources"]}]},
        "then": {"required": whole, "properties": {"target": {"anyOf": kinds}}},
    }


def config_schema() -> dict[str, Any]:
    """The schema of the config file (JSON Schema 2020-12)."""
    schema = ConfigFileModel.model_json_schema(schema_generator=_JobSchema)
    _drop_titles(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Backup Runner config",
        **schema,
    }


def _drop_titles(node: Any) -> None:
    """Remove titles that only repeat the key's name; editors show the description."""
    if isinstance(node, list):
        for item in node:
            _drop_titles(item)
    elif isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for item in node.values():
            _drop_titles(item)
