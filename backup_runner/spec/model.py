"""The job file format, version 1, as pydantic models: the one source for checks and for schemas/job.schema.json.

Values are checked strictly (a quoted number is no number). Paths stay as written; `jobfile` resolves them.
A key without a value (null) is refused before the models see it, so None always means "absent".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic.config import JsonDict, JsonValue

from .job import AuthMethod, Detect, Every, NoticeStyle, Overwrite, StorageTier, Symlinks, Weekday
from .values import DURATION_PATTERN, RATE_PATTERN

COUNT_LIMIT = 100_000
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,255}$"
# Editors read a lone ~ as null, as YAML has it; in these two places it is the home folder, and `jobfile` says so.
_LONE_TILDE: JsonDict = {"type": ["string", "null"]}
_KEEP_SOMETHING: list[JsonValue] = [
    {"required": [f"keep_{rule}"], "properties": {f"keep_{rule}": {"minimum": 1}}}
    for rule in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def _no_variable(text: str) -> str:
    # Taken literally, hosts that were meant to differ would share a prefix.
    if "${" in text:
        raise ValueError("${…} is resolved in paths only")
    return text


def _usable_prefix(text: str) -> str:
    if any(part in (".", "..") for part in text.split("/")):
        raise ValueError('"." and ".." are no names in a bucket')
    return _no_variable(text)


def _true(value: bool) -> bool:  # noqa: FBT001 - pydantic's way to call
    if not value:
        raise ValueError("remote is true, or catalog is a path")
    return value


PathText = Annotated[str, Field(min_length=1, max_length=4096)]
SkipText = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\n\r\u0000]+$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Rate = Annotated[str, Field(pattern=RATE_PATTERN, examples=["10MiB/s", "500kB/s"])]
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, examples=["12h", "7d", "2w", "1y"])]
# No "@": a password in a URL would be a key in the job.
Url = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$", max_length=1024), AfterValidator(_no_variable)]
Prefix = Annotated[
    str, Field(pattern=r"^([^/\u0000-\u001f]+/)*[^/\u0000-\u001f]*$", max_length=512), AfterValidator(_usable_prefix)
]
Count = Annotated[int, Field(ge=0, le=COUNT_LIMIT)]
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Percent = Annotated[int, Field(ge=0, le=100)]


def _lax(description: str, default: Any) -> Any:
    """An enum field: strict mode would want the enum's own members, files have their text."""
    return Field(default=default, strict=False, description=description)


class GuardsModel(_Model):
    """When a run stops (exit 5) before anything is forgotten. A source's guards override the job's key by key."""

    min_files: int | None = Field(None, ge=0, le=10**12, description="Fewer files than this stop the run. Default 1.")
    max_change_percent: Percent | None = Field(
        None, description="More changed or vanished files than this stop the run, from 20 files up. Default 50."
    )
    max_delete_percent: Percent | None = Field(
        None, description="More vanished files than this stop the run, from 20 files up. Default 20."
    )
    require_mount: bool | None = Field(
        None, description="Each source must lie on a mounted file system. Default false."
    )


class JobGuardsModel(GuardsModel):
    """When a run stops (exit 5) before anything is forgotten or stored."""

    max_cost_per_month: Price | None = Field(
        None, description="A plan for OCI that is estimated to cost more this month stops. Default: no limit."
    )
    max_forget_percent: Percent | None = Field(
        None,
        description="More of the complete snapshots than this are not forgotten at once, from 20 up. Default 80.",
    )
    max_free_percent: Percent | None = Field(
        None, description="More of the stored bytes than this are not let go at once. Default 50."
    )
    min_age: Duration | None = Field(
        None, description="No snapshot is forgotten before this age, whatever the retention says. Default: none."
    )


class PricesModel(_Model):
    """Prices for the estimates of plans for OCI, where the list prices are not yours."""

    dated: str | None = Field(None, min_length=1, max_length=32, description="When these prices were looked up.")
    currency: str | None = Field(None, min_length=1, max_length=8)
    standard: Price | None = Field(None, description="Standard tier, a GB and month.")
    infrequent_access: Price | None = Field(None, description="Infrequent Access tier, a GB and month.")
    archive: Price | None = Field(None, description="Archive tier, a GB and month.")
    infrequent_access_retrieval: Price | None = Field(None, description="Reading from Infrequent Access, a GB.")
    requests: Price | None = Field(None, description="10,000 requests.")


class SourceModel(_Model):
    """A directory or file to back up."""

    path: PathText = Field(
        description="~ and ${VAR} are expanded; a relative path starts at the job file's own folder.",
        json_schema_extra=_LONE_TILDE,
    )
    skip: list[SkipText] | None = Field(None, description="gitignore rules for this source; they come after the job's.")
    guards: GuardsModel | None = None
    allow_empty: bool | None = Field(None, description="This source may be empty though it was not before.")


class DirectoryTargetModel(_Model):
    """A bucket that is a local directory."""

    type: Literal["directory"]
    path: PathText


class AuthModel(_Model):
    """How requests to OCI are signed."""

    method: AuthMethod = _lax("Default config_file.", AuthMethod.CONFIG_FILE)
    config_file: PathText | None = Field(None, description="The OCI configuration file. Default ~/.oci/config.")
    profile: Annotated[str, AfterValidator(_no_variable)] = Field("DEFAULT", min_length=1, max_length=256)


class LimitsModel(_Model):
    """What a run may use of the line and the service."""

    upload: Rate | None = None
    download: Rate | None = None
    requests_in_flight: int | None = Field(None, ge=1, le=256)


class OciTargetModel(_Model):
    """A bucket on OCI Object Storage."""

    type: Literal["oci"]
    namespace: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,128}$", description="Asked of the service if absent."
    )
    bucket: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,256}$")
    prefix: Prefix = Field("", description='Goes before every object name; a missing "/" at its end is added.')
    storage_tier: StorageTier = _lax("The tier of data objects.", StorageTier.STANDARD)
    region: str | None = Field(None, pattern=r"^[a-z0-9-]{1,64}$")
    endpoint: Url | None = Field(None, description="Another server than the region's own.")
    proxy: Url | None = None
    ca_bundle: PathText | None = None
    auth: AuthModel = AuthModel()
    limits: LimitsModel = LimitsModel()


class EncryptionModel(_Model):
    """Where the crypto key is found: exactly one of the three. The key itself never stands in a job."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["key_file"]}, {"required": ["key_env"]}, {"required": ["key_command"]}]
        }
    )

    key_file: PathText | None = None
    key_env: str | None = Field(None, pattern=VARIABLE_PATTERN, description="The name of an environment variable.")
    key_command: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None, min_length=1, description="A program and its arguments, run without a shell; it prints the key."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> EncryptionModel:
        given = sum(value is not None for value in (self.key_file, self.key_env, self.key_command))
        if given != 1:
            raise ValueError(f"says {given} ways to find the key" if given else "says no way to find the key")
        return self


class RemoteCatalogModel(_Model):
    """The catalog lives in the bucket; `cache` is where this machine keeps its copy."""

    remote: Annotated[bool, AfterValidator(_true)] = Field(json_schema_extra={"const": True})
    cache: PathText


class RetentionModel(_Model):
    """Which snapshots `prune` keeps: those that at least one rule keeps."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [*_KEEP_SOMETHING, {"required": ["keep_within"]}]})

    keep_last: Count = 0
    keep_hourly: Count = 0
    keep_daily: Count = 0
    keep_weekly: Count = 0
    keep_monthly: Count = 0
    keep_yearly: Count = 0
    keep_within: Duration | None = Field(
        None, description="All snapshots of this time: hours, days, weeks or years, e.g. 12h, 7d, 2w, 1y."
    )
    repack_dead_percent: int = Field(
        20, ge=1, le=100, description="A pack of which more than this is dead is packed anew."
    )
    keep_rebuilt: bool = Field(
        default=True, description="Keep what `catalog rebuild` made of the objects' own indexes until this says false."
    )

    @model_validator(mode="after")
    def _keeps_something(self) -> RetentionModel:
        rules = (self.keep_last, self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly)
        if not any(rules) and not self.keep_yearly and self.keep_within is None:
            raise ValueError("keeps nothing")
        return self


Arguments = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
"""A program and its arguments; no shell looks at them."""


class HooksModel(_Model):
    """Programs that run around an apply; each gets the job, the plan's summary and the status in its environment."""

    before: Arguments | None = Field(None, description="Runs before the plan is made; if it fails, so does the job.")
    after: Arguments | None = Field(None, description="Runs when the apply has succeeded, with files left out or not.")
    on_failure: Arguments | None = Field(None, description="Runs when anything failed, the hooks before it included.")
    time_limit: int = Field(600, ge=1, le=86400, description="Seconds that each of them may take.")


class NotifyModel(_Model):
    """A URL that is called when an apply starts, succeeds and fails."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["url_env"]}]})

    style: NoticeStyle = Field(strict=False, description="Whose conventions the URL follows.")
    url: Url | None = None
    url_env: str | None = Field(
        None, pattern=VARIABLE_PATTERN, description="The variable that holds the URL, where the URL is a secret."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> NotifyModel:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("takes either url or url_env")
        return self


class MetricsModel(_Model):
    """Figures of the last run, for Prometheus."""

    textfile: PathText = Field(description="A .prom file in the folder that node_exporter's textfile collector reads.")


class ScheduleModel(_Model):
    """When the job is meant to run; `backup-runner schedule JOB` makes systemd units or a crontab line of it."""

    every: Every = Field(strict=False)
    at: str = Field("02:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Local time; hourly: the minute.")
    on: Weekday = _lax("The day, for every: week.", Weekday.SUN)
    day: int = Field(1, ge=1, le=28, description="The day of the month, for every: month.")
    spread: int = Field(0, ge=0, le=86400, description="Up to so many seconds of random delay (systemd only).")


def _catalog_kind(value: object) -> str:
    return "remote" if isinstance(value, dict | RemoteCatalogModel) else "path"


class JobModel(_Model):
    """A backup job, version 1."""

    version: int = Field(ge=1, le=1, json_schema_extra={"const": 1})
    name: Name = Field(description="Unique within a catalog: letters, digits, '.', '_' and '-'.")
    sources: list[SourceModel] = Field(min_length=1)
    skip: list[SkipText] = Field([], description="gitignore rules for all sources; a skipped folder is never entered.")
    relative_path: PathText | None = Field(
        None, description="Taken off stored paths, put back on restore.", json_schema_extra=_LONE_TILDE
    )
    overwrite: Overwrite = _lax("What to do with a stored file whose size or times moved.", Overwrite.CHANGED)
    detect: Detect = _lax("How a changed file is told.", Detect.CTIME)
    symlinks: Symlinks = _lax("What to do with symlinks below a source; none is followed.", Symlinks.SKIP)
    target: Annotated[DirectoryTargetModel | OciTargetModel, Field(discriminator="type")]
    encryption: EncryptionModel | None = Field(None, description="May come from the config file instead.")
    catalog: (
        Annotated[
            Annotated[PathText, Tag("path")] | Annotated[RemoteCatalogModel, Tag("remote")],
            Discriminator(_catalog_kind),
        ]
        | None
    ) = Field(None, description="The catalog's path; may come from the config file instead.")
    retention: RetentionModel | None = None
    guards: JobGuardsModel = JobGuardsModel()
    prices: PricesModel | None = None
    allow_empty: bool = Field(default=False, description="Sources may be empty though they were not before.")
    reseal: bool = Field(
        default=False, description="Store contents imported from backup-tool anew, in our format, as the plan says."
    )
    hooks: HooksModel | None = None
    notify: list[NotifyModel] = []
    metrics: MetricsModel | None = None
    schedule: ScheduleModel | None = None
    work_directory: PathText | None = Field(
        None, description='For temporary files. Default: the catalog\'s path with ".work" added.'
    )
