"""What a run was asked, apart from the engines, which take long to load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .policy import StoringPolicy
from .records import ActionKind
from .spec import Overwrite


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """`scope`: keys that the run is about, others carry over. `overrides`: names of guards that are meant to pass."""

    offline: bool = False
    checksum: bool = False
    scope: tuple[bytes, ...] = ()
    pruning: str = "retention"
    overrides: frozenset[str] = frozenset()
    kinds: frozenset[ActionKind] | None = None
    """What may be done to paths; other actions are left undone, and counted in a note. None: everything."""
    known_only: bool = False
    """Only look whether what the catalog knows is still there; nothing new is met."""
    applies: bool = False
    """An apply follows in this process, so what takes long and needs the key can begin beside the scan."""


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """`overrides` are names of guards that are meant to pass; `wait_seconds` is for the locks of other runs."""

    workers: int | None = None
    overrides: frozenset[str] = frozenset()
    new_lineage: bool = False
    wait_seconds: float = 0.0
    policy: StoringPolicy = field(default_factory=StoringPolicy)
    plans_again: bool = True
    """Whether a job is planned again for as long as `wait_seconds` if another run was faster."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """What to restore, where to, and over what.

    `paths` are what is meant, none for all, but for `exclude`, in the grammar of patterns/paths; `here` is where
    relative ones may begin. `to` is a folder, None the job's base. `at` is a snapshot's id, "latest" (or None) or a
    local time. `stop` is asked between batches; `listen` is told of every file: what was done (or would be), key, size.
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
    stop: Callable[[], bool] = _never
    listen: Callable[[str, bytes, int], None] | None = None


class Level(StrEnum):
    """How closely verify looks."""

    LISTING = "listing"
    HEADERS = "headers"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """`sample` is the share of objects (above 0, up to 1) that is opened, None all; `stop` is asked between them."""

    level: Level = Level.LISTING
    sample: float | None = None
    workers: int | None = None
    stop: Callable[[], bool] = _never
