"""The options of runs, separate from the engines, which take long to load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .policy import StoringPolicy
from .progress import Surplus
from .records import ActionKind
from .spec import Overwrite


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """`scope`: keys that the run is limited to; others carry over. `overrides`: names of guards to ignore."""

    offline: bool = False
    checksum: bool = False
    scope: tuple[bytes, ...] = ()
    pruning: str = "retention"
    overrides: frozenset[str] = frozenset()
    kinds: frozenset[ActionKind] | None = None
    """Kinds of actions on paths to include; others are omitted and counted in a note. None: all."""
    known_only: bool = False
    """Only check whether known files still exist; new files are not looked for."""
    forget: tuple[int, ...] = ()
    """With `pruning="only"`: ids of the snapshots to forget, in place of those that no rule keeps."""
    erase: tuple[bytes, ...] = ()
    """With `pruning="only"`: paths to delete from all snapshots, in the grammar of patterns/paths."""
    here: bytes | None = None
    """The folder that relative paths in `erase` start at."""
    applies: bool = False
    """An apply follows in this process, so slow preparations that need the key can run beside the scan."""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """`overrides` are names of guards to ignore; `wait_seconds` is how long to wait for other runs."""

    workers: int | None = None
    overrides: frozenset[str] = frozenset()
    new_lineage: bool = False
    wait_seconds: float = 0.0
    policy: StoringPolicy = field(default_factory=StoringPolicy)
    tags: tuple[str, ...] = ()
    """Of the snapshot, beside those of the job."""
    note: str = ""
    here: bytes | None = None
    """For `forget`: the folder that relative paths may start at."""
    plans_again: bool = True
    """Whether a job is planned again, for up to `wait_seconds`, if another run was faster."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What to restore, where to, and over what.

    `paths` (none: everything) and `exclude` are in the grammar of patterns/paths; relative ones may start at `here`.
    `to` is a folder, None the original location. `at` is a snapshot's id, "latest" (or None) or a local time. `stop` is
    called between batches; `listen` is called for every file: what was done (or would be), key, size in bytes.

    Larger than usual, because each field is an option of the command.
    """

    paths: tuple[bytes, ...] = ()
    exclude: tuple[bytes, ...] = ()
    here: bytes | None = None
    to: bytes | None = None
    at: str | None = None
    overwrite: Overwrite = Overwrite.NEVER
    dry_run: bool = False
    workers: int | None = None
    thaw: bool = False
    thaw_hours: int = 24
    delete: bool = False
    """Also delete what is in restored folders and not in the snapshot, except what the job leaves out."""
    numeric_owner: bool = False
    """Owners by number, even if the snapshot's names have other numbers here."""
    map_owner: tuple[str, ...] = ()
    """`OLD:NEW`, names or numbers of users; `map_group` the same for groups."""
    map_group: tuple[str, ...] = ()
    overrides: frozenset[str] = frozenset()
    """Names of guards to ignore."""
    agree: Callable[[Surplus], bool] | None = None
    """Called with what `delete` would delete, before anything is changed; False: nothing is done."""
    stop: Callable[[], bool] = _never
    listen: Callable[[str, bytes, int], None] | None = None


class Level(StrEnum):
    """How thoroughly verify checks."""

    LISTING = "listing"
    HEADERS = "headers"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """`sample` is the share of objects to read (above 0, up to 1), None for all; `stop` is called between objects."""

    level: Level = Level.LISTING
    sample: float | None = None
    workers: int | None = None
    stop: Callable[[], bool] = _never
