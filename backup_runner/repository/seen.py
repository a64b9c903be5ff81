"""What this machine has seen, in a file beside the catalog that outlives it: the newest serial and envelope of each
lineage, and for each job and target the last lineage. It detects a bucket that was rolled back to an older state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..replacing import replacing

_JOBS = "jobs"
_KEYS = "keys"


class LastSeen(NamedTuple):
    """The lineage that a job was in last, and when its newest record was written; nanoseconds since the epoch."""

    lineage: str
    created_ns: int


class SeenKeys(NamedTuple):
    """The newest envelope of a lineage: its number, and hex SHA-256."""

    number: int
    digest: str


def remember(catalog_path: str, lineage: str, serial: int, target: str, jobs: Iterable[str], created_ns: int) -> None:
    """Store the newest record seen. Callers hold the catalog's lock."""
    found = _read(catalog_path)
    serials = _serials(found)
    places = found.get(_JOBS)
    noted: dict[str, Any] = dict(places) if isinstance(places, dict) else {}
    for job in jobs:
        noted[_place(target, job)] = [lineage, created_ns]
    _write(catalog_path, found, {**serials, lineage: max(serial, serials.get(lineage, serial)), _JOBS: noted})


def remember_keys(catalog_path: str, lineage: str, number: int, digest: str) -> None:
    """Store the newest envelope seen. Callers hold the catalog's lock."""
    found = _read(catalog_path)
    _write(catalog_path, found, {_KEYS: {**_keys(found), lineage: [number, digest]}})


def seen_keys(catalog_path: str) -> dict[str, SeenKeys]:
    """The newest envelope seen of each lineage."""
    return {lineage: SeenKeys(*noted) for lineage, noted in _keys(_read(catalog_path)).items()}


def _keys(found: dict[str, Any]) -> dict[str, list[Any]]:
    noted = found.get(_KEYS)
    kept = noted.items() if isinstance(noted, dict) else ()
    return {
        lineage: value
        for lineage, value in kept
        if isinstance(value, list) and [type(one) for one in value] == [int, str]
    }


def _write(catalog_path: str, found: dict[str, Any], changes: dict[str, Any]) -> None:
    new = found | changes
    if new == found:
        return
    # One name for all runs: the next run overwrites what a kill left.
    with replacing(f"{catalog_path}.seen", temporary=f"{catalog_path}.seen.tmp") as file:
        file.write(json.dumps(new).encode())


def seen_serials(catalog_path: str) -> dict[str, int]:
    """The newest serial seen of each lineage."""
    return _serials(_read(catalog_path))


def seen_last(catalog_path: str, target: str, job: str) -> LastSeen | None:
    """The lineage that this job was in at this target when it was last seen."""
    places = _read(catalog_path).get(_JOBS)
    noted = places.get(_place(target, job)) if isinstance(places, dict) else None
    try:
        return LastSeen(str(noted[0]), int(noted[1])) if noted else None
    except (IndexError, TypeError, ValueError, KeyError):
        return None


def _place(target: str, job: str) -> str:
    return f"{job} {target}"


def _serials(found: dict[str, Any]) -> dict[str, int]:
    return {key: value for key, value in found.items() if isinstance(value, int)}


def _read(catalog_path: str) -> dict[str, Any]:
    try:
        with open(catalog_path + ".seen", encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
