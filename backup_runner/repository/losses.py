"""Files whose stored contents are lost: missing from the bucket, or damaged there."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..catalog import Catalog, history
from ..catalog.retirement import holders
from ..records import Problem
from .damage import damage_text
from .drift import Drift


def lost_files(cat: Catalog, drift: Drift, job: str, repaired: Collection[int] = ()) -> Iterator[Problem]:
    """Files in objects whose losses no apply has reported yet; `repaired`: ids of contents that are stored again."""
    lost = {
        content_id: object_id
        for content_id, object_id in history.contents_in(cat, sorted(drift.fresh))
        if content_id not in repaired
    }
    for content_id, key, first, last, holder in holders(cat, lost):
        when = f"snapshot {first}" if first == last else f"snapshots {first} to {last}"
        # The plan of the other job knows what its sources still have.
        when += "" if holder == job else f' of job "{holder}", unless its own plan repairs it'
        yield Problem(key, "lost", f"lost from {when}: {damage_text(drift.bad[lost[content_id]])}")
