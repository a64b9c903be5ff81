"""What a plan costs: arithmetic over bytes, objects and prices. An estimate, without compression and allowances.

Objects that are deleted before the end of their tier's minimum storage time are billed for the whole time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec.prices import Tariff
from ..spec.target import STANDARD

GB = 10**9
DAY_NS = 86_400 * 10**9
MONTH_DAYS = 30
_REQUESTS = 10_000
_LISTED = 1000
"""Objects on one page of a listing."""

Bytes = Mapping[str, int]
"""By storage tier."""


@dataclass(slots=True)
class Work:
    """The work of a plan on the bucket. `freed` has (tier, bytes, age in nanoseconds) of each deleted object."""

    tier: str = STANDARD
    stored: dict[str, int] = field(default_factory=dict)
    objects: int = 0
    added: int = 0
    puts: int = 0
    moved: dict[str, int] = field(default_factory=dict)
    """Bytes of packs read for repacking, by tier."""
    freed: list[tuple[str, int, int]] = field(default_factory=list)


def estimate(work: Work, tariff: Tariff) -> dict[str, Any]:
    """The cost of a plan in the JSON form of headers and summaries; amounts are rounded to a millionth."""
    # A plan lists, and so does the apply; record and catalog copy are two more puts.
    requests = work.puts + 2 + 2 * -(-max(1, work.objects) // _LISTED)
    freed: dict[str, int] = {}
    early = 0.0
    for tier, size, age_ns in work.freed:
        freed[tier] = freed.get(tier, 0) + size
        early += size / GB * rate(tariff, tier) * _days_left(tariff, tier, age_ns) / MONTH_DAYS
    after = dict(work.stored)
    after[work.tier] = after.get(work.tier, 0) + work.added
    for tier, size in freed.items():
        after[tier] = max(0, after.get(tier, 0) - size)
    retrieval = sum(size / GB * tariff.retrieval.get(tier, 0.0) for tier, size in work.moved.items())
    requests_cost = requests * tariff.requests / _REQUESTS
    storage = month_of(after, tariff)
    return {
        "estimate": True,
        "currency": tariff.currency,
        "prices_of": tariff.dated,
        "requests": requests,
        "requests_cost": _round(requests_cost),
        "gb_months_added": {str(work.tier): _round(work.added / GB)} if work.added else {},
        "gb_months_freed": {str(tier): _round(size / GB) for tier, size in sorted(freed.items())},
        "early_deletion_cost": _round(early),
        "retrieval_cost": _round(retrieval),
        "storage_before": _round(month_of(work.stored, tariff)),
        "storage_after": _round(storage),
        "month_total": _round(storage + requests_cost + early + retrieval),
    }


def month_of(stored: Bytes, tariff: Tariff) -> float:
    """The cost of storing these bytes for a month."""
    return sum(size / GB * rate(tariff, tier) for tier, size in stored.items())


def rate(tariff: Tariff, tier: str) -> float:
    """The price of a GB-month in a tier; that of the dearest if the tier is not listed."""
    return tariff.storage.get(tier, max(tariff.storage.values()))


def _days_left(tariff: Tariff, tier: str, age_ns: int) -> float:
    return max(0.0, tariff.minimum_days.get(tier, 0) - age_ns / DAY_NS)


def _round(amount: float) -> float:
    return round(amount, 6)
