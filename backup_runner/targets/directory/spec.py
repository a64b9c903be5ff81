"""The `target` section of jobs with a folder as bucket, resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ...spec.prices import Prices, Tariff
from ...spec.target import STANDARD, BucketShare


@dataclass(frozen=True, slots=True)
class DirectoryTargetSpec:
    """A bucket that is a local directory; `path` is absolute. Implements `spec.TargetSpec`."""

    kind: ClassVar[str] = "directory"

    path: str

    @property
    def storage_tier(self) -> str:
        return STANDARD

    @property
    def archive_tiers(self) -> frozenset[str]:
        return frozenset()

    @property
    def own_paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def share(self) -> BucketShare | None:
        return None

    def tariff(self, said: Prices | None) -> Tariff | None:
        return None

    def block(self) -> dict[str, Any]:
        return {"type": self.kind, "path": self.path}
