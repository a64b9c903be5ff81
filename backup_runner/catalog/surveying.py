"""An overview of a catalog: its stores, their jobs, each with its snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field

from .database import Catalog, Snapshot, Store


@dataclass(frozen=True, slots=True)
class JobKnown:
    """A job and its state; `last` is its newest snapshot, complete or not."""

    name: str
    snapshots: int
    last: Snapshot | None


@dataclass(frozen=True, slots=True)
class StoreKnown:
    """One lineage at one target, and its jobs."""

    store: Store
    jobs: list[JobKnown]


@dataclass(frozen=True, slots=True)
class CatalogKnown:
    """A catalog file; without one, `format` is None. `migrated_from` is the older format it had until just now."""

    path: str
    format: int | None = None
    migrated_from: int | None = None
    stores: list[StoreKnown] = field(default_factory=list)


def known(cat: Catalog) -> CatalogKnown:
    """All stores, with their jobs by name."""
    stores = [StoreKnown(store, [_job(cat, *job) for job in cat.jobs(store.id)]) for store in cat.stores()]
    return CatalogKnown(cat.path, cat.format, cat.migrated_from, stores)


def _job(cat: Catalog, job_id: int, name: str) -> JobKnown:
    snapshots = cat.snapshots(job_id)
    return JobKnown(name, len(snapshots), snapshots[-1] if snapshots else None)
