"""Records the results of checking objects in the bucket. Callers hold a transaction."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from .database import Catalog


def note_bucket(
    cat: Catalog,
    *,
    lost: Collection[int],
    back: Collection[int],
    etags: Mapping[int, str],
    tiers: Mapping[int, str],
) -> None:
    """Objects (ids) that are gone or back, that are in files of other etags, or in other storage tiers."""
    many = cat.conn.executemany
    many("UPDATE object SET state = 'missing' WHERE id = ? AND state = 'live'", [(one,) for one in lost])
    many("UPDATE object SET state = 'live', told = 0 WHERE id = ? AND state = 'missing'", [(one,) for one in back])
    many("UPDATE object SET etag = ? WHERE id = ?", [(etag, one) for one, etag in etags.items()])
    many("UPDATE object SET tier = ? WHERE id = ?", [(tier, one) for one, tier in tiers.items()])


def losses_reported(cat: Catalog, object_ids: Iterable[int]) -> None:
    """Mark the lost files of these objects as reported."""
    cat.conn.executemany(
        "UPDATE object SET told = 1 WHERE id = ? AND state IN ('missing', 'damaged')", [(one,) for one in object_ids]
    )


def drop_missing(cat: Catalog, gone: Collection[int]) -> None:
    """Delete missing objects that contain nothing any more, because their contents were stored again."""
    if gone:
        # A list of pieces in one of them is no reason to keep it in the catalog.
        cat.conn.execute(
            "UPDATE content SET object_id = NULL WHERE layout = 3 AND object_id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(gone)),),
        )
        cat.conn.execute(
            "DELETE FROM object WHERE id IN (SELECT value FROM json_each(?)) AND state = 'missing' "
            "AND id NOT IN (SELECT object_id FROM content WHERE object_id IS NOT NULL) "
            "AND id NOT IN (SELECT object_id FROM stretch)",
            (json.dumps(list(gone)),),
        )


def set_states(cat: Catalog, states: Mapping[int, str]) -> None:
    """Record findings about objects, by id. Those marked for deletion stay marked."""
    cat.conn.executemany(
        "UPDATE object SET state = ? WHERE id = ? AND state NOT IN ('marked', ?)",
        [(state, object_id, state) for object_id, state in states.items()],
    )
