"""Prices of OCI Object Storage in one dated table; `prices` in a job or the config file override it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prices:
    """Amounts in `currency`: storage per GB and month, retrieval per GB, requests per 10,000.

    The defaults are Oracle's list prices of the month in `dated`, before free allowances, discounts
    and taxes. A GB is 10⁹ bytes here."""

    dated: str = "2026-09"
    currency: str = "USD"
    standard: float = 0.0255
    infrequent_access: float = 0.01
    archive: float = 0.0026
    infrequent_access_retrieval: float = 0.01
    requests: float = 0.0034
