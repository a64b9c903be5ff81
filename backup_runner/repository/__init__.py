"""One lineage in one bucket: session, keys, objects, commits, lease, drift."""
