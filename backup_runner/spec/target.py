"""What is asked of a job's `target` section, whatever its type.

Each target has a frozen dataclass for its section, in its own folder in `targets/`. Digests of jobs contain the names
of these classes and their fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from .prices import Prices, Tariff

STANDARD = "Standard"
"""The tier of targets that have one only, in catalogs and listings."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates in bytes per second, concurrent requests; None is unlimited. `listed_objects` is the most that one listing
    may have; None is what the target takes for plausible."""

    upload: int | None = None
    download: int | None = None
    requests_in_flight: int | None = None
    listed_objects: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class BucketShare:
    """The part of a service's bucket that a job uses, as far as the job says."""

    bucket: str
    prefix: str
    """Empty or ends in "/"."""
    service: tuple[str | None, ...]
    """Two jobs use one bucket only if these are equal, such as the endpoint."""
    account: tuple[str | None, ...]
    """These must not differ, either; None may be anything."""

    def same_bucket(self, other: BucketShare) -> bool:
        """Whether both may be in one bucket."""
        pairs = zip(self.account, other.account, strict=False)
        same = (self.bucket, self.service) == (other.bucket, other.service)
        return same and all(a is None or b is None or a == b for a, b in pairs)


class TargetSpec(Protocol):
    """A job's `target` section, resolved: paths are absolute, defaults are filled in."""

    kind: ClassVar[str]
    """Its `type`."""

    @property
    def storage_tier(self) -> str:
        """The tier for data objects, by the service's own name."""
        ...

    @property
    def archive_tiers(self) -> frozenset[str]:
        """Tiers whose objects cannot be read before they are thawed."""
        ...

    @property
    def own_paths(self) -> tuple[str, ...]:
        """Paths on this machine that belong to the target and are never backed up."""
        ...

    @property
    def share(self) -> BucketShare | None:
        """The part of a bucket that other jobs may use, too; None if there is nothing of the kind."""
        ...

    def tariff(self, said: Prices | None) -> Tariff | None:
        """What it charges, with the prices that the job says; None if it does not charge by the byte."""
        ...

    def block(self) -> dict[str, Any]:
        """The section as in a job file that has only what the config file can set, for one-shot commands."""
        ...


def instead(listed: Mapping[str, float], said: Mapping[str, float | None]) -> dict[str, float]:
    """List prices with those that a job says in their place."""
    return {name: listed[name] if (value := said.get(name)) is None else value for name in listed}
