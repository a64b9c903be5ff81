"""Settings of the planner of paths, the questions it may ask, and its counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ..policy import StoringPolicy
from ..reasons import Reason
from ..records import CatalogRow, Digests
from ..spec import Detect, Overwrite


@dataclass(frozen=True, slots=True)
class Policy:
    """The job's settings that decide what counts as changed and what happens to it."""

    overwrite: Overwrite
    detect: Detect
    reseal: bool = False
    """Upload contents imported from another tool again, in our format."""
    unread_from: int = StoringPolicy().small
    """Changed files of at least this many bytes are not read for the plan: apply reads them anyway, and stores what is
    new."""


class Facts(Protocol):
    """What the planner may ask; each answer may cost a query of the catalog or reading a file."""

    def has_size(self, size: int) -> bool:
        """Whether some stored content has this size."""
        ...

    def digest(self, key: bytes, like: int | None = None) -> Digests | None:
        """Hash the file; None if it cannot be read (the problem is reported elsewhere)."""
        ...

    def find(self, digests: Digests) -> int | None:
        """The stored content with these digests."""
        ...

    def same(self, content_id: int, digests: Digests) -> bool | None:
        """Whether the content has these digests; None: only its MD5 is known, and that is equal."""
        ...

    def imported(self, content_id: int) -> bool:
        """Whether the content is in another tool's format."""
        ...

    def leader_key(self, path_id: int) -> bytes: ...

    def row(self, key: bytes) -> CatalogRow:
        """The complete row of a path whose row was brief."""
        ...

    def damage(self, content_id: int) -> Reason | None:
        """Why the content can no longer be read from the bucket; None if it can."""
        ...

    def unlisted(self, key: bytes) -> bool:
        """Whether the path is in a folder that could not be listed, so that it may still exist."""
        ...

    def gone_reason(self, key: bytes) -> Reason:
        """Why a path that the scan did not find is removed: deleted, skipped by a rule, or its source was removed."""
        ...


@dataclass(slots=True)
class Tally:
    """What the merge found: files only, except `folders`; bytes are of the files' contents."""

    unchanged: int = 0
    unchanged_bytes: int = 0
    held_before: int = 0
    held_examples: list[bytes] = field(default_factory=list)
    known: int = 0
    """Files that the catalog had before."""
    kept_unseen: int = 0
    """Paths kept because their folder could not be listed."""

    def same(self, row: CatalogRow) -> None:
        """A file or symlink that is unchanged."""
        self.unchanged += 1
        self.unchanged_bytes += row.size

    def held(self, row: CatalogRow) -> None:
        """A changed file that an earlier plan held back."""
        self.held_before += 1
        if len(self.held_examples) < 20:
            self.held_examples.append(row.key)
