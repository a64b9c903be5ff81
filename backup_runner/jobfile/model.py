"""The job file format, version 1, as pydantic models: the source for validation and for schemas/job.schema.json.

Values are validated strictly (a quoted number is not a number). Paths stay as written; `jobfile` resolves them.
A key without a value (null) is rejected before the models see it, so None always means "absent".
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.config import JsonValue

from ..spec.job import Detect, Overwrite, Symlinks
from ..spec.texts import (
    LONE_TILDE,
    VARIABLE_PATTERN,
    Count,
    Duration,
    Name,
    PathText,
    Percent,
    Price,
    SkipText,
    SnapshotTag,
    Strict,
)
from ..targets.models import JobTarget
from .aroundmodel import HooksModel, MetricsModel, NotifyModel, ScheduleModel
from .sourcemodel import (
    Caches,
    GuardsModel,
    IgnoreCase,
    Markers,
    MaxFileSize,
    OneFileSystem,
    SkipFrom,
    SourceModel,
)

_KEEP_SOMETHING: list[JsonValue] = [
    {"required": [f"keep_{rule}"], "properties": {f"keep_{rule}": {"minimum": 1}}}
    for rule in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
]


def _true(value: bool) -> bool:  # noqa: FBT001 - pydantic's way to call
    if not value:
        raise ValueError("remote must be true; otherwise write catalog as a path")
    return value


def _lax(description: str, default: Any) -> Any:
    """An enum field: strict mode expects enum members, but files contain their text."""
    return Field(default=default, strict=False, description=description)


class JobGuardsModel(GuardsModel):
    """When a run stops (exit 5) before anything is deleted or stored."""

    max_cost_per_month: Price | None = Field(
        None, description="Stop if a plan for OCI is estimated to cost more this month. Default: no limit."
    )
    max_forget_percent: Percent | None = Field(
        None,
        description="Stop if one prune would delete more of the complete snapshots, from 20 up. Default 80.",
    )
    max_free_percent: Percent | None = Field(
        None, description="Stop if one prune would free more of the stored bytes. Default 50."
    )
    min_age: Duration | None = Field(
        None, description="Never delete younger snapshots, regardless of the retention. Default: none."
    )


class PricesModel(Strict):
    """Prices for cost estimates of plans for OCI, if yours differ from the list prices."""

    dated: str | None = Field(None, min_length=1, max_length=32, description="Date of these prices.")
    currency: str | None = Field(None, min_length=1, max_length=8)
    standard: Price | None = Field(None, description="Standard tier, per GB and month.")
    infrequent_access: Price | None = Field(None, description="Infrequent Access tier, per GB and month.")
    archive: Price | None = Field(None, description="Archive tier, per GB and month.")
    infrequent_access_retrieval: Price | None = Field(None, description="Reading from Infrequent Access, per GB.")
    requests: Price | None = Field(None, description="10,000 requests.")


class PassphraseModel(Strict):
    """A recipient who remembers a passphrase."""

    passphrase_env: str = Field(pattern=VARIABLE_PATTERN, description="The environment variable with the passphrase.")


def _recipient_kind(value: object) -> str:
    return "passphrase" if isinstance(value, dict | PassphraseModel) else "public"


_ONE_SECRET: list[JsonValue] = [{"required": [name]} for name in ("key_file", "key_env", "key_command")]


class EncryptionModel(Strict):
    """Where to find the crypto key: exactly one of the three, or none on a host that only seals to `recipients`.

    A job never contains the key itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                *_ONE_SECRET,
                {
                    "required": ["recipients"],
                    "properties": {"recipients": {"minItems": 1}},
                    "not": {"anyOf": _ONE_SECRET},
                },
            ],
            "dependentRequired": {"passphrase_env": ["key_file"]},
        }
    )

    key_file: PathText | None = None
    key_env: str | None = Field(None, pattern=VARIABLE_PATTERN, description="The name of an environment variable.")
    key_command: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None, min_length=1, description="A program and its arguments that prints the key; run without a shell."
    )
    passphrase_env: str | None = Field(
        None, pattern=VARIABLE_PATTERN, description="The variable with the passphrase of the key pair in `key_file`."
    )
    recipients: list[
        Annotated[
            Annotated[PathText, Tag("public")] | Annotated[PassphraseModel, Tag("passphrase")],
            Discriminator(_recipient_kind),
        ]
    ] = Field(
        [],
        max_length=15,
        description="Who else can open the backups: a public key (bkr1…), a file that holds one, or a passphrase. "
        "Without a key, this host seals to them and can read nothing back.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> EncryptionModel:
        given = sum(value is not None for value in (self.key_file, self.key_env, self.key_command))
        if given > 1 or not (given or self.recipients):
            raise ValueError(f"has {given} settings for the key" if given else "has no setting for the key")
        if self.passphrase_env is not None and self.key_file is None:
            raise ValueError("has `passphrase_env` without `key_file`")
        return self


class RemoteCatalogModel(Strict):
    """The catalog is kept in the bucket; `cache` is this machine's copy."""

    remote: Annotated[bool, AfterValidator(_true)] = Field(json_schema_extra={"const": True})
    cache: PathText


class RetentionModel(Strict):
    """Which snapshots `prune` keeps: all that match at least one rule."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [*_KEEP_SOMETHING, {"required": ["keep_within"]}]})

    keep_last: Count = 0
    keep_hourly: Count = 0
    keep_daily: Count = 0
    keep_weekly: Count = 0
    keep_monthly: Count = 0
    keep_yearly: Count = 0
    keep_within: Duration | None = Field(
        None, description="All snapshots younger than this: hours, days, weeks or years, e.g. 12h, 7d, 2w, 1y."
    )
    keep_tags: list[SnapshotTag] | None = Field(
        None, description="All snapshots with one of these tags, besides those that other rules keep."
    )
    repack_dead_percent: int = Field(
        20, ge=1, le=100, description="Repack a pack if more than this share of it is unused."
    )
    keep_rebuilt: bool = Field(
        default=True,
        description="Keep snapshots that `catalog rebuild` reconstructed from object indexes, until this is false.",
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> RetentionModel:
        rules = (self.keep_last, self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly)
        if not any(rules) and not self.keep_yearly and self.keep_within is None:
            raise ValueError("keeps nothing")
        return self


def _catalog_kind(value: object) -> str:
    return "remote" if isinstance(value, dict | RemoteCatalogModel) else "path"


class JobModel(Strict):
    """A backup job, version 1."""

    # Larger than usual, because each key of the job file is a field.

    version: int = Field(ge=1, le=1, json_schema_extra={"const": 1})
    name: Name = Field(description="Unique within a catalog: letters, digits, '.', '_' and '-'.")
    extends: str | None = Field(
        None, min_length=1, description="A file of shared settings; what the job sets itself comes first."
    )
    sources: list[SourceModel] = Field(min_length=1)
    skip: list[SkipText] = Field([], description="gitignore rules for all sources; skipped folders are never entered.")
    skip_from: SkipFrom | None = None
    skip_case_insensitive: IgnoreCase = False
    skip_if_present: Markers | None = None
    skip_caches: Caches = False
    max_file_size: MaxFileSize | None = None
    one_file_system: OneFileSystem = False
    busy: list[SkipText] | None = Field(
        None,
        description="gitignore rules for files that may change or vanish while they are read.",
    )
    relative_path: PathText | None = Field(
        None, description="Removed from stored paths, and added again on restore.", json_schema_extra=LONE_TILDE
    )
    overwrite: Overwrite = _lax("What to do with a stored file whose size or times changed.", Overwrite.CHANGED)
    detect: Detect = _lax("How a changed file is detected.", Detect.CTIME)
    symlinks: Symlinks = _lax("What to do with symlinks below a source; they are never followed.", Symlinks.SKIP)
    birth_times: bool = Field(
        default=False, description="Store when files were created, where the file system knows it. Default false."
    )
    target: JobTarget
    encryption: EncryptionModel | None = Field(None, description="Can be set in the config file instead.")
    catalog: (
        Annotated[
            Annotated[PathText, Tag("path")] | Annotated[RemoteCatalogModel, Tag("remote")],
            Discriminator(_catalog_kind),
        ]
        | None
    ) = Field(None, description="The catalog's path; can be set in the config file instead.")
    retention: RetentionModel | None = None
    guards: JobGuardsModel = JobGuardsModel()
    prices: PricesModel | None = None
    allow_empty: bool = Field(default=False, description="Sources may be empty even if they had files before.")
    reseal: bool = Field(
        default=False,
        description="Upload contents imported from backup-tool again in our format, as shown in the plan.",
    )
    tags: list[SnapshotTag] | None = Field(None, description="Tags of every snapshot of this job.")
    hooks: HooksModel | None = None
    notify: list[NotifyModel] = []  # noqa: RUF012 - pydantic copies it
    metrics: MetricsModel | None = None
    schedule: ScheduleModel | None = None
    work_directory: PathText | None = Field(
        None, description='For temporary files. Default: the catalog\'s path with ".work" added.'
    )
