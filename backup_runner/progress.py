"""How engines tell what they are doing and what came of it; `report` turns it into text or JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .records import Problem

Key = bytes


class Events(Protocol):
    """Listens to an engine. Called from the engine's main thread only."""

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        """A stage begins (`scanning`, `backing up`, `recording`, `restoring`, `verifying`, …).

        `files` and `size` (bytes) are what is ahead, 0 if unknown."""
        ...

    def advance(self, files: int, size: int) -> None:
        """So many files and bytes more are done."""
        ...

    def ahead(self, files: int, size: int) -> None:
        """So many files and bytes more are ahead than `phase` said; negative: fewer, because some are in the bucket
        already or cannot be read."""
        ...

    def limited(self, rate: float) -> None:
        """From now on a limit of so many bytes per second holds the stage back; 0: no longer."""
        ...

    def warn(self, text: str) -> None:
        """A sentence for the person who runs this."""
        ...


class Silent:
    """Listens to nothing."""

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None: ...

    def advance(self, files: int, size: int) -> None: ...

    def ahead(self, files: int, size: int) -> None: ...

    def limited(self, rate: float) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclass(slots=True)
class Safe:
    """What is in the bucket of the files that a run was to read; the next run does not send it again. In bytes of the
    files."""

    files: int = 0
    """Whole ones, with `bytes`."""
    bytes: int = 0
    partial_files: int = 0
    """Large files that the run was stopped in, of which `pieces` with `piece_bytes` are in the bucket."""
    pieces: int = 0
    piece_bytes: int = 0


@dataclass(slots=True)
class Outcome:
    """What an apply did. `counts` and `bytes` go by action; sizes are bytes, `seconds` is wall time."""

    status: str = "complete"
    """`complete`, `partial` (interrupted or failed), `nothing`, or `declined` by whoever looked at the plan."""
    snapshot_id: int | None = None
    serial: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    held: list[Key] = field(default_factory=list)
    changed_since_plan: list[Key] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """Each file that was not backed up, or not as it should be: exit 3."""
    notes: list[str] = field(default_factory=list)
    read_bytes: int = 0
    """Of files; what of it was not in the bucket yet is `new_bytes`, and `stored_bytes` is that sealed."""
    new_bytes: int = 0
    stored_bytes: int = 0
    stored_objects: int = 0
    deleted_bytes: int = 0
    safe: Safe = field(default_factory=Safe)
    seconds: float = 0.0
    interrupted: bool = False
    overridden: list[str] = field(default_factory=list)
    """Guards that spoke against what the snapshot contains, and were overridden."""

    @property
    def incomplete(self) -> bool:
        """Whether files were left out or are not backed up as they should be."""
        return bool(self.problems)


@dataclass(slots=True)
class RestoreOutcome:
    """What a restore did. `problems` are files that did not come back whole, each with why: exit 3."""

    snapshot_id: int = 0
    snapshot_time_ns: int = 0
    snapshot_date: str = ""
    """The same in local time."""
    counts: dict[str, int] = field(default_factory=dict)
    """`restored`, `unchanged`, `linked`, `folders`, `symlinks`, `kept` (there already and different)."""
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pending_thaw: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def incomplete(self) -> bool:
        """Whether files did not come back, or not whole."""
        return bool(self.problems)


@dataclass(slots=True)
class VerifyOutcome:
    """What a verify found. `damaged` names objects, `files` the paths (and snapshots) that need them."""

    level: str = "listing"
    objects: int = 0
    contents: int = 0
    bytes: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    """(object name, what is wrong)."""
    files: list[Problem] = field(default_factory=list)
    unknown: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def incomplete(self) -> bool:
        """Whether anything is missing or damaged."""
        return bool(self.damaged or self.files)
