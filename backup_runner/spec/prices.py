"""What a target charges, and what a job says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of a job or the config file, in place of the target's list prices; None is as listed.

    In the units of `Tariff`. `standard`, `infrequent_access` and `archive` are the tiers that services have in common,
    whatever they call them."""

    dated: str | None = None
    currency: str | None = None
    standard: float | None = None
    infrequent_access: float | None = None
    archive: float | None = None
    infrequent_access_retrieval: float | None = None
    requests: float | None = None


@dataclass(frozen=True, slots=True)
class Tariff:
    """Amounts in `currency`, as of `dated`; tiers by the service's own names. A GB is 10⁹ bytes."""

    dated: str
    currency: str
    storage: Mapping[str, float]
    """Per GB and month."""
    retrieval: Mapping[str, float]
    """Per GB that is read; 0 for other tiers."""
    minimum_days: Mapping[str, int]
    """Objects that are deleted earlier are charged for so many days; 0 for other tiers."""
    requests: float
    """Per 10,000."""
