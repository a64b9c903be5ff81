"""A job as the rest of the program sees it: every path absolute, every default filled in.

`jobfile` makes these from YAML; the one-shot commands make them in memory. All are immutable, hashable
and picklable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .digest import LATER, UNDIGESTED, digest_of
from .prices import Prices
from .sources import USUAL_GUARDS, USUAL_PRUNE_GUARDS, Guards, PruneGuards, SkipLine, Source
from .target import TargetSpec

_WHERE = {UNDIGESTED: True}
_LATER = {LATER: True}


class Overwrite(StrEnum):
    """What happens to a stored file whose size or times changed."""

    NEVER = "never"
    CHANGED = "changed"
    ALWAYS = "always"


class Detect(StrEnum):
    """How a changed file is detected: by size+mtime+ctime, by size+mtime, or by content."""

    CTIME = "ctime"
    MTIME = "mtime"
    CHECKSUM = "checksum"


class Symlinks(StrEnum):
    """What happens to symlinks below a source. They are never followed."""

    SKIP = "skip"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class RecipientSpec:
    """Who else can decrypt: a public key as text, the file that contains one, or the variable with a passphrase."""

    text: str = ""
    file: str = ""
    passphrase_env: str = ""


@dataclass(frozen=True, slots=True)
class EncryptionSpec:
    """Where to find the job's secret, never the secret itself; and who else can decrypt.

    At most one of the first three is set. Without any (`is_blind`), the host encrypts for its recipients and cannot
    decrypt anything."""

    key_file: str | None = None
    key_env: str | None = None
    key_command: tuple[str, ...] = ()
    passphrase_env: str | None = None
    """The variable with the passphrase of the key pair's file."""
    recipients: tuple[RecipientSpec, ...] = field(default=(), metadata=_LATER)

    @property
    def is_blind(self) -> bool:
        """Whether the host has no secret."""
        return not (self.key_file or self.key_env or self.key_command)

    @property
    def variables(self) -> list[str]:
        """The environment variables that contain secrets."""
        names = (self.key_env, self.passphrase_env, *(one.passphrase_env for one in self.recipients))
        return [name for name in names if name]


@dataclass(frozen=True, slots=True)
class CatalogSpec:
    """The catalog's absolute path; with `remote`, a cache of the copy in the bucket."""

    path: str
    remote: bool = False


@dataclass(frozen=True, slots=True)
class Retention:
    """Which snapshots are kept; 0 disables a rule. `keep_within` is in seconds."""

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    keep_within: int = 0
    repack_dead_percent: int = 20
    keep_tags: tuple[str, ...] = field(default=(), metadata=_LATER)
    """Snapshots with one of these tags are kept."""
    keep_imported: bool = field(default=True, metadata=_LATER)
    """Keep contents imported from another tool that never had a path."""
    keep_rebuilt: bool = field(default=True, metadata=_LATER)
    """Keep snapshots that a rebuild reconstructed from object indexes."""


class RunCommand(StrEnum):
    """A command that hooks, notices and metrics can be about."""

    APPLY = "apply"
    PRUNE = "prune"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Hooks:
    """Programs with their arguments, run without a shell around `commands`; `time_limit` in seconds, each."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    time_limit: int = 600
    commands: tuple[RunCommand, ...] = field(default=(RunCommand.APPLY,), metadata=_LATER)


class NoticeStyle(StrEnum):
    """Whose conventions a notification URL follows."""

    HEALTHCHECKS = "healthchecks"
    NTFY = "ntfy"
    APPRISE = "apprise"


@dataclass(frozen=True, slots=True)
class Notify:
    """A URL called on start, success and failure; `url_env` is the variable that contains it instead."""

    style: NoticeStyle
    url: str | None = field(default=None, repr=False)
    url_env: str | None = None
    commands: tuple[RunCommand, ...] = field(default=(RunCommand.APPLY,), metadata=_LATER)


class Every(StrEnum):
    """How often a job should run."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Weekday(StrEnum):
    """Weekdays as systemd and cron abbreviate them."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class VerifyLevel(StrEnum):
    """How thoroughly a scheduled verify checks; as `options.Level`."""

    LISTING = "listing"
    HEADERS = "headers"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job should run: local time `hour`:`minute`, `day` of the month, `spread` seconds of random delay.

    `verify` and `prune` are the times of these commands; `level` and `sample` (percent) are those of `verify`."""

    every: Every
    hour: int = 2
    minute: int = 0
    on: Weekday = Weekday.SUN
    day: int = 1
    spread: int = 0
    verify: Schedule | None = None
    prune: Schedule | None = None
    level: VerifyLevel = VerifyLevel.HEADERS
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job file, resolved.

    `base` is `relative_path` as absolute bytes without a trailing slash (b"" for "/"): a stored key's path on
    disk is `base + b"/" + key`. Sources are sorted by key; those on disk don't overlap.

    Larger than usual, because each key of the job file is a field.
    """

    file: str = field(metadata=_WHERE)
    name: str
    base: bytes
    sources: tuple[Source, ...]
    target: TargetSpec
    encryption: EncryptionSpec
    catalog: CatalogSpec
    work_directory: str
    skip: tuple[SkipLine, ...] = ()
    overwrite: Overwrite = Overwrite.CHANGED
    detect: Detect = Detect.CTIME
    symlinks: Symlinks = Symlinks.SKIP
    retention: Retention | None = None
    guards: Guards = USUAL_GUARDS
    prune_guards: PruneGuards = field(default=USUAL_PRUNE_GUARDS, metadata=_LATER)
    reseal: bool = field(default=False, metadata=_LATER)
    hooks: Hooks | None = field(default=None, metadata=_LATER)
    notify: tuple[Notify, ...] = field(default=(), metadata=_WHERE)
    busy: tuple[str, ...] = field(default=(), metadata=_LATER)
    """gitignore rules for files of which nobody minds that they change or vanish while they are read."""
    tags: tuple[str, ...] = field(default=(), metadata=_LATER)
    """Of each snapshot."""
    birth_times: bool = field(default=False, metadata=_LATER)
    """Store when files were created."""
    metrics_file: str | None = field(default=None, metadata=_WHERE)
    schedule: Schedule | None = field(default=None, metadata=_WHERE)
    prices: Prices | None = field(default=None, metadata=_WHERE)
    """In place of list prices."""

    def digest(self) -> str:
        """Hex SHA-256 over everything except file name, line numbers, keys (derived from the paths) and settings that
        only notify others about runs."""
        return digest_of(self)
