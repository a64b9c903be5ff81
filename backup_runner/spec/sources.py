"""What a job backs up: its sources, what is excluded from them, and when a run stops."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .digest import LATER, UNDIGESTED

_WHERE = {UNDIGESTED: True}
_LATER = {LATER: True}


class SkipOrigin(StrEnum):
    """Whether a skip line applies to the whole job or to one source."""

    JOB = "job"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class SkipLine:
    """One gitignore rule and its line in the job file (from 1; 0 if it is not from a file).

    A setting of `Bounds` is shown as such a line, too; then `setting` is its key."""

    text: str
    line: int = field(metadata=_WHERE)
    origin: SkipOrigin
    file: str = field(default="", metadata=_WHERE)
    """The file of `skip_from` or `extends` that the line is in; "" for the job file."""
    setting: str = field(default="", metadata=_WHERE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is excluded from a source, other than by path. None of it applies to the source's own root."""

    one_file_system: bool = False
    """Mount points are kept as empty folders."""
    markers: tuple[str, ...] = ()
    """Folders that contain one of these names are excluded."""
    caches: bool = False
    """Folders with a signed CACHEDIR.TAG are excluded."""
    max_file_size: int | None = None
    """Bytes; larger files are excluded."""
    lines: tuple[SkipLine, ...] = field(default=(), metadata=_WHERE)
    """Where each of these is set in the job file."""

    def line(self, setting: str, text: str = "") -> SkipLine:
        """The line that sets it; with `text`, the one of several that contains this word."""
        found = (line for line in self.lines if line.setting == setting and line.text.endswith(text))
        return next(found, SkipLine(f"{setting}: {text or 'true'}", 0, SkipOrigin.JOB, setting=setting))


@dataclass(frozen=True, slots=True)
class Guards:
    """When a run stops before anything is removed. Percentages refer to the files of the last complete snapshot."""

    min_files: int = 1
    max_change_percent: int = 50
    max_delete_percent: int = 20
    require_mount: bool = False
    max_cost_per_month: float | None = field(default=None, metadata=_LATER)
    """For everything the catalog stores at the target, in the currency of the job's prices."""


@dataclass(frozen=True, slots=True)
class PruneGuards:
    """How much one plan may delete. Percentages of the job's complete snapshots and of the bytes they need."""

    max_forget_percent: int = 80
    max_free_percent: int = 50
    min_age: int = 0
    """Seconds for which every snapshot is kept, regardless of the retention."""


NO_BOUNDS = Bounds()
USUAL_GUARDS = Guards()
USUAL_PRUNE_GUARDS = PruneGuards()


@dataclass(frozen=True, slots=True)
class Output:
    """A program's output, stored as a file; without a command, standard input."""

    command: tuple[str, ...] = ()
    """The program and its arguments; no shell."""
    time_limit: int = 0
    """Seconds; 0 for no limit."""


@dataclass(frozen=True, slots=True)
class Source:
    """A directory or file to back up.

    `key` is its stored key: a directory's ends in b"/", the base itself is b"". For a source that did not
    exist when the job was loaded, the type is unknown, and its key has no slash; see `covers`.
    """

    path: bytes
    key: bytes = field(metadata=_WHERE)
    skip: tuple[SkipLine, ...] = ()
    guards: Guards = USUAL_GUARDS
    allow_empty: bool = False
    bounds: Bounds = field(default=NO_BOUNDS, metadata=_LATER)
    ignore_case: bool = field(default=False, metadata=_LATER)
    """Skip rules match letters of either case."""
    output: Output | None = field(default=None, metadata=_LATER)
    """Nothing on disk is read; the source is one file, and `path` is where a restore writes it."""

    def covers(self, key: bytes) -> bool:
        """Whether a stored key is this source or below it, even if the source is missing."""
        root = self.key.rstrip(b"/")
        return not root or key == root or key.startswith(root + b"/")
