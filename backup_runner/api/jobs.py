"""Job files and settings: read, checked, rewritten. Offline and without a key."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..jobfile.configfile import Config, job_defaults, load_config
from ..jobfile.diagnostics import Complaints, JobFileError, Stop, printable
from ..jobfile.finding import find_job_files
from ..jobfile.loading import LoadResult, load
from ..spec import Job, Schedule

if TYPE_CHECKING:
    from ..planning.skips import SkipSurvey

Settings = Config
"""The config file's settings by `section.key`, each with its origin."""


def load_settings(
    path: str | None = None, *, overrides: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Settings:
    """Load the settings that jobs share.

    `path` is the config file; by default the one in BACKUP_RUNNER_CONFIG, else ~/.backup-runner/config.yaml, if it
    exists. `overrides` are `section.key=value` and take precedence over job files. Raises JobFileError with all
    mistakes in the file, ConfigError if it does not exist, UsageError for an invalid override.
    """
    return load_config(path, env=os.environ if env is None else env, overrides=overrides)


def load_jobs(paths: Sequence[str], *, settings: Settings | None = None, confined: bool = False) -> list[Job]:
    """Load the jobs of these files, checked together. Without `settings`, the default config file is used.

    `confined` is for files that others may have written: a symlink to a file outside its folder is refused. Raises
    JobFileError; its `diagnostics` list every mistake."""
    settings = load_settings() if settings is None else settings
    result = load(paths, env=os.environ, defaults=job_defaults(settings), confined=confined)
    errors = [item for item in result.diagnostics if item.severity == "error"]
    if errors:
        raise JobFileError(errors, result.sources)
    return [overridden(job, settings) for job in result.jobs]


def load_job(path: str, *, settings: Settings | None = None) -> Job:
    """Load the job of one file. Raises JobFileError."""
    return load_jobs([path], settings=settings)[0]


def overridden(job: Job, settings: Settings) -> Job:
    """The job with the overrides of the settings applied. Raises ConfigError."""
    if not settings.overrides():
        return job
    from ..oneshot.jobs import override_job

    return override_job(job, settings)


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of a validation. `files` are all that were checked, `jobs` those without errors."""

    files: list[str]
    result: LoadResult = field(repr=False)

    @property
    def jobs(self) -> list[Job]:
        return self.result.jobs

    @property
    def errors(self) -> int:
        return sum(item.severity == "error" for item in self.result.diagnostics)

    @property
    def warnings(self) -> int:
        return len(self.result.diagnostics) - self.errors


def validate(paths: Sequence[str], *, settings: Settings | None = None) -> Validation:
    """Check job files, folders and patterns together, with all rules. Mistakes are in `result.diagnostics`, not
    raised."""
    settings = load_settings() if settings is None else settings
    files = find_job_files(paths)
    return Validation(files, load(files, env=os.environ, defaults=job_defaults(settings), lint=True, confined=True))


def resolved_job(path: str, *, settings: Settings | None = None) -> str:
    """The text of a job file after `extends`: a job file that could replace it. Variables are not expanded.

    Raises JobFileError with every mistake in the job."""
    from ..jobfile.showing import resolved_text

    settings = load_settings() if settings is None else settings
    load_jobs([path], settings=settings, confined=True)
    return resolved_text(path, frozenset(job_defaults(settings)))


def skips(job: Job) -> SkipSurvey:
    """What each skip line of a job excludes, in files and bytes. Reads only the sources."""
    from ..planning.skips import survey
    from ..repository.own import own_files
    from .work import faults

    with faults(job):
        return survey(job, own_files(job))


@dataclass(frozen=True, slots=True)
class Timers:
    """What runs a job regularly: systemd units and launchd agents by file name, and lines for crontab."""

    units: dict[str, str]
    agents: dict[str, str]
    crontab: str
    variables: list[str]
    """Environment variables that the job needs, to be written to `variable_file`."""
    variable_file: str
    system: bool
    """Whether they are for the system (for root) or for this user."""


def timers(job: Job, program: Sequence[str]) -> Timers:
    """Timers that run the job by its `schedule`; `program` starts backup-runner. Raises UsageError for a job without
    a schedule."""
    from ..jobfile.variables import variables_of
    from ..runs.schedule import crontab_line, environment_file, launch_agent, units

    if job.schedule is None:
        hint = 'add for example `schedule: {every: day, at: "02:30"}`'
        raise UsageError(f'job "{job.name}" has no schedule', hint=hint)
    system, variables = os.geteuid() == 0, variables_of(job.file, job)
    stored = environment_file(job.name, system=system) if variables else ""
    home = os.path.expanduser("~") if system else ""
    made = Timers({}, {}, "", variables, stored, system)
    lines = []
    for name, times, arguments in _scheduled(job, job.schedule):
        words = [*program, *arguments]
        text = shlex.join(words)
        if stored:
            # Neither cron nor launchd reads a file of variables, but a shell does.
            text = f"set -a; . {shlex.quote(stored)}; set +a; exec {text}"
        lines.append(crontab_line(times, text))
        made.units.update(units(job.name, times, words, command=name, environment_file=stored, home=home))
        label = f"backup-runner.{job.name}" + (f".{name}" if name else "")
        made.agents[f"{label}.plist"] = launch_agent(
            label, times, ["/bin/sh", "-c", text] if stored else words, home=home
        )
    return replace(made, crontab="\n".join(lines))


def _scheduled(job: Job, schedule: Schedule) -> Iterator[tuple[str, Schedule, list[str]]]:
    """Name ("" for a backup), times, and arguments of each command."""
    file = os.path.abspath(job.file)
    yield "", schedule, ["apply", file, "--yes", "--wait", "30m"]
    if schedule.verify is not None:
        sample = schedule.verify.sample
        how = ["--level", schedule.verify.level.value, *(["--sample", f"{sample}%"] if sample else [])]
        yield "verify", schedule.verify, ["verify", file, *how]
    if schedule.prune is not None:
        yield "prune", schedule.prune, ["prune", file, "--yes", "--wait", "30m"]


def job_schema() -> dict[str, Any]:
    """The JSON schema of job files."""
    from ..jobfile.schema import job_schema as schema

    return schema()


def config_schema() -> dict[str, Any]:
    """The JSON schema of the config file."""
    from ..jobfile.schema import config_schema as schema

    return schema()


# -- rewriting


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A job file before and after rewriting. `file` is the printable path, `notes` are for people."""

    path: str
    file: str
    old: str
    new: str
    notes: list[str] = field(default_factory=list)
    is_job: bool = True
    """False for YAML that is not a job file; it is left unchanged."""

    @property
    def changed(self) -> bool:
        return self.new != self.old

    def difference(self) -> Iterator[str]:
        """A unified diff, printable."""
        from ..jobfile.rewriting import difference

        return map(printable, difference(self.path, self.old, self.new))

    def write(self) -> None:
        """Write the new text to the file, atomically. Raises BackupRunnerError."""
        from ..jobfile.rewriting import rewrite

        rewrite(self.path, self.new)


def format_job(path: str) -> Rewriting:
    """A job file in the canonical layout, with its comments and anchors. Writes nothing. Raises JobFileError."""
    from ..jobfile.formatting import format_text

    return _rewriting(path, lambda text, _, complaints: (format_text(text, complaints), []))


def migrate_job(path: str) -> Rewriting:
    """A job file in the newest version of the format. Writes nothing. Raises JobFileError."""
    from ..jobfile.migrations import migrate_text

    return _rewriting(path, migrate_text)


def _rewriting(path: str, change: Callable[[str, str, Complaints], tuple[str, list[str]]]) -> Rewriting:
    from ..jobfile.formatting import is_job
    from ..jobfile.yamltext import read_text

    complaints, text = Complaints(printable(path)), ""
    try:
        text = read_text(path, complaints, confined=True)
        if not is_job(text):
            return Rewriting(path, complaints.file, text, text, is_job=False)
        return Rewriting(path, complaints.file, text, *change(text, path, complaints))
    except Stop:
        raise JobFileError(complaints.in_order(), {complaints.file: text}) from None
