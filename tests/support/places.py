"""Which contents need which objects, as a table for tests' own queries."""

HELD = (
    "(SELECT id AS content_id, object_id FROM content WHERE layout < 2 "
    "UNION ALL SELECT content_id, object_id FROM stretch "
    "UNION ALL SELECT e.content_id, p.object_id FROM extent e JOIN content p ON p.id = e.piece_id)"
)
"""(content_id, object_id), through pieces as well."""
KEPT = f"(SELECT * FROM {HELD} UNION ALL SELECT id, object_id FROM content WHERE layout = 3 AND object_id IS NOT NULL)"
"""The same, and the objects whose index alone has the list of a composed content's pieces."""
