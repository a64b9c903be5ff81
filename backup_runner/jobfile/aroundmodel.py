"""What happens around a run, in the job file's format: hooks, notices, metrics, schedule."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from ..spec.job import Every, NoticeStyle, RunCommand, VerifyLevel, Weekday
from ..spec.texts import VARIABLE_PATTERN, Arguments, PathText, Percent, Strict, Url

Commands = Annotated[list[Annotated[RunCommand, Field(strict=False)]], Field(min_length=1)]


class HooksModel(Strict):
    """Programs that run before and after a command, with job, plan summary and status in their environment."""

    before: Arguments | None = Field(None, description="Runs before anything else; if it fails, the run fails.")
    after: Arguments | None = Field(None, description="Runs after success, even if files were left out.")
    on_failure: Arguments | None = Field(None, description="Runs if anything failed, including an earlier hook.")
    time_limit: int = Field(600, ge=1, le=86400, description="Time limit for each hook, in seconds.")
    commands: Commands | None = Field(None, description="Around which commands they run. Default: [apply].")


class NotifyModel(Strict):
    """A URL called when a command starts, succeeds or fails."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["url_env"]}]})

    style: NoticeStyle = Field(strict=False, description="Whose conventions the URL follows.")
    url: Url | None = None
    url_env: str | None = Field(
        None, pattern=VARIABLE_PATTERN, description="The environment variable with the URL, if the URL is a secret."
    )
    commands: Commands | None = Field(None, description="Which commands it is about. Default: [apply].")

    @model_validator(mode="after")
    def _exactly_one(self) -> NotifyModel:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("needs either url or url_env")
        return self


class MetricsModel(Strict):
    """Metrics of the last run, for Prometheus."""

    textfile: PathText = Field(description="A .prom file in the folder that node_exporter's textfile collector reads.")


class TimesModel(Strict):
    """When a command should run regularly."""

    every: Every = Field(strict=False)
    at: str = Field(
        "02:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="Local time; with every: hour, only the minute counts.",
    )
    on: Weekday = Field(Weekday.SUN, strict=False, description="The day, for every: week.")
    day: int = Field(1, ge=1, le=28, description="The day of the month, for every: month.")
    spread: int = Field(0, ge=0, le=86400, description="Maximum random delay in seconds (systemd only).")


class VerifyTimesModel(TimesModel):
    """When `verify` should run, and how thorough it is."""

    level: VerifyLevel = Field(VerifyLevel.HEADERS, strict=False, description="As in `verify --level`.")
    sample: Percent | None = Field(None, ge=1, description="Read only a random sample of so many percent.")


class ScheduleModel(TimesModel):
    """When the job should run; `backup-runner schedule JOB` generates timers for systemd, launchd or cron from it."""

    verify: VerifyTimesModel | None = Field(None, description="When `verify` should run.")
    prune: TimesModel | None = Field(None, description="When `prune` should run; `apply` prunes by itself.")
