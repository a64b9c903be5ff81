"""What a pull or rebuild gave."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import CatalogError


@dataclass(slots=True)
class Recovered:
    """The result of a pull or rebuild. `missing` lists what could not be recovered; `notes` has further information."""

    lineage: str
    serial: int
    created_ns: int = 0
    """When the newest record was written; nanoseconds since the epoch."""
    jobs: list[str] = field(default_factory=list)
    snapshots: int = 0
    files: int = 0
    records: int = 0
    """Number of replayed records."""
    copies: int = 0
    """Number of full copies read: 0 or 1."""
    objects: int = 0
    """Number of objects recorded from their own indexes."""
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def incomplete(self) -> bool:
        """Whether something could not be recovered."""
        return bool(self.missing)


class Rewritten(CatalogError):  # noqa: N818
    """The bucket's chain of records does not contain the last record of this catalog."""
