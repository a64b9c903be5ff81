"""How engines report progress and results; `report` turns them into text or JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from .records import Problem

Key = bytes


class Events(Protocol):
    """Receives progress of an engine. Called only from the engine's main thread."""

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None:
        """A stage begins (`scanning`, `backing up`, `recording`, `restoring`, `verifying`, …).

        `files` and `size` (bytes) are the expected totals, 0 if unknown."""
        ...

    def advance(self, files: int, size: int) -> None:
        """This many more files and bytes are done."""
        ...

    def ahead(self, files: int, size: int) -> None:
        """The totals are larger by this many files and bytes than `phase` said; negative: smaller, because some are
        already in the bucket or cannot be read."""
        ...

    def now(self, name: bytes) -> None:
        """The stored path or object whose turn it is; with several workers, the one that began last."""
        ...

    def limited(self, rate: float) -> None:
        """A bandwidth limit (bytes per second) now slows down the stage; 0: no longer."""
        ...

    def warn(self, text: str) -> None:
        """A warning for the user."""
        ...


class Silent:
    """Ignores everything."""

    def phase(self, name: str, *, files: int = 0, size: int = 0) -> None: ...

    def advance(self, files: int, size: int) -> None: ...

    def ahead(self, files: int, size: int) -> None: ...

    def now(self, name: bytes) -> None: ...

    def limited(self, rate: float) -> None: ...

    def warn(self, text: str) -> None: ...


class Surplus(NamedTuple):
    """What is on disk and not in the snapshot. `size` is that of the files, in bytes; `keys` are sorted, those of
    folders end in a slash."""

    files: int
    folders: int
    size: int
    keys: Iterable[bytes]


@dataclass(slots=True)
class Safe:
    """What an interrupted run already uploaded; the next run does not upload it again. In bytes of the files."""

    files: int = 0
    """Complete files, with `bytes`."""
    bytes: int = 0
    partial_files: int = 0
    """Large files that were interrupted, of which `pieces` with `piece_bytes` are in the bucket."""
    pieces: int = 0
    piece_bytes: int = 0


@dataclass(slots=True)
class Outcome:
    """What an apply did. `counts` and `bytes` go by action; sizes are bytes, `seconds` is wall time.

    Larger than usual, because it is the summary of `apply --json`.
    """

    status: str = "complete"
    """`complete`, `partial` (interrupted or failed), `nothing`, or `declined` by the review."""
    snapshot_id: int | None = None
    serial: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    held: list[Key] = field(default_factory=list)
    changed_since_plan: list[Key] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """Files that were not backed up, or not completely: exit 3."""
    notes: list[str] = field(default_factory=list)
    read_bytes: int = 0
    """Bytes read from files; `new_bytes` of these were new, `stored_bytes` is their size in the bucket."""
    new_bytes: int = 0
    stored_bytes: int = 0
    stored_objects: int = 0
    deleted_bytes: int = 0
    safe: Safe = field(default_factory=Safe)
    seconds: float = 0.0
    interrupted: bool = False
    overridden: list[str] = field(default_factory=list)
    """Guards that this snapshot triggered and that were overridden."""

    @property
    def incomplete(self) -> bool:
        """Whether files were not backed up, or not completely."""
        return bool(self.problems)


@dataclass(slots=True)
class RestoreOutcome:
    """What a restore did. `problems` are files that were not restored completely, each with its reason: exit 3."""

    snapshot_id: int = 0
    snapshot_time_ns: int = 0
    snapshot_date: str = ""
    """The same in local time."""
    counts: dict[str, int] = field(default_factory=dict)
    """`restored`, `unchanged`, `linked`, `folders`, `symlinks`, `kept` (existing files that differ), `deleted` and
    `deleted_folders` (what is not in the snapshot)."""
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pending_thaw: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    declined: bool = False
    """The caller did not agree to what would have been deleted, so nothing was done."""

    @property
    def incomplete(self) -> bool:
        """Whether files were not restored, or not completely."""
        return bool(self.problems)


@dataclass(slots=True)
class VerifyOutcome:
    """What a verify found. `damaged` are objects, `files` the paths (and snapshots) that need them."""

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
