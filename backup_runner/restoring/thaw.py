"""Objects in an archive tier: which of the needed ones can be read, and thawing the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..catalog.restoring import Selection
from ..container import ObjectKind, kind_prefix
from ..errors import ObjectMissing
from ..records import StoredObject
from ..targets.base import Target

_FEW = 16
"""Up to this many objects are looked up one by one; a listing returns pages of a thousand, including unrelated ones."""


class ThawOptions(Protocol):
    """The relevant part of a restore's options."""

    @property
    def thaw(self) -> bool: ...
    @property
    def thaw_hours(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Frozen:
    """Needed objects (catalog ids) that cannot be read now; `pending` of them are being thawed."""

    ids: frozenset[int]
    pending: int
    notes: list[str]


def look_at_archive(target: Target, lineage: str, chosen: Selection, options: ThawOptions) -> Frozen:
    """What is archived according to the service: lifecycle rules move objects without the catalog's knowledge.

    With `thaw`, request that it be made readable."""
    if not target.properties.archives:
        return Frozen(frozenset(), 0, [])
    needed = {one.name: one for one in chosen.objects()}
    states = _cold_states(target, lineage, list(needed))
    cold = [one for name, one in needed.items() if name in states]
    if not cold:
        return Frozen(frozenset(), 0, [])
    if options.thaw:
        for one in cold:
            if states[one.name] == "Archived":
                try:
                    target.restore_archived(one.name, options.thaw_hours)
                except ObjectMissing:
                    # Deleted since the listing: reading it will report that for each file.
                    continue
    pending = len(cold) if options.thaw else sum(states[one.name] == "Restoring" for one in cold)
    size = sum(one.size for one in cold)
    what = f"{len(cold)} archived objects ({size} bytes) are needed"
    if options.thaw:
        advice = f"they are being thawed for {options.thaw_hours} hours; run the same restore again later"
    else:
        advice = "use --thaw to make them readable"
    return Frozen(frozenset(one.id for one in cold), pending, [f"{what}: {advice}"])


def _cold_states(target: Target, lineage: str, names: list[str]) -> dict[str, str]:
    """Archival states of those that cannot be read; a few are looked up one by one, many by a listing."""
    if len(names) <= _FEW:
        found = [there for name in names if (there := _look(target, name))]
    else:
        prefix = kind_prefix(bytes.fromhex(lineage), ObjectKind.DATA)
        # Imported objects are outside the lineage.
        everywhere = any(not name.startswith(prefix) for name in names)
        wanted = set(names)
        found = [one for one in target.list("" if everywhere else prefix) if one.name in wanted]
    return {one.name: one.archival_state for one in found if one.cold}


def _look(target: Target, name: str) -> StoredObject | None:
    try:
        return target.stat(name)
    except ObjectMissing:
        # Reading it will report that for each file.
        return None
