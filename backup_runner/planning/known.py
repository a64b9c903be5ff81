"""Instead of a scan: do the known paths still exist? For `file cleanup`, which must not find new files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

from ..catalog import Catalog, history
from ..foreign import describe
from ..records import CatalogRow, Entry, Flag, Kind, Problem
from ..source.reading import kind_of
from ..source.times import kept_times
from ..source.tree import Tree
from ..source.walk import ScanTotals
from ..spec import Job

_BATCH = 2000
_GONE = (errno.ENOENT, errno.ENOTDIR)


def look_at_known(
    cat: Catalog, job_id: int, job: Job, totals: ScanTotals, on_problem: Callable[[Problem], None]
) -> Iterator[list[Entry]]:
    """Entries of the known paths that exist, sorted by key; fills `totals` like a scan of the sources.

    Of a source, only checks whether it exists and is not empty: an unmounted disk is an empty folder.
    """
    for source in job.sources:
        if source.output:
            continue
        root = source.key.rstrip(b"/")
        filled = _is_filled(source.path)
        if filled is None:
            totals.missing.append(root)
            totals.unlisted.append(root + b"/" if root else b"")
        elif filled:
            totals.files_by_source[root] = 1
    tree = Tree((source.key, source.path) for source in job.sources)
    batch: list[Entry] = []
    for row in history.current(cat, job_id):
        entry = _entry(row, tree, on_problem)
        if entry is None:
            continue
        batch.append(entry)
        totals.files += entry.kind != Kind.DIRECTORY
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _is_filled(path: bytes) -> bool | None:
    """Whether a folder has any entries; None if it does not exist."""
    try:
        with os.scandir(path) as found:
            return next(found, None) is not None
    except OSError:
        return None


def _entry(row: CatalogRow, tree: Tree, on_problem: Callable[[Problem], None]) -> Entry | None:
    try:
        if row.flags & Flag.OUTPUT:
            # Not on disk, so it cannot have been deleted.
            return Entry(*row[:8], 0, 0, 1, 0)
        status = tree.status(row.key)
    except OSError as error:
        if error.errno in _GONE:
            return None
        # A path that cannot be accessed does not count as deleted.
        on_problem(Problem(row.key, "unreadable", describe(error)))
        return Entry(*row[:8], 0, 0, 1, 0)
    kind = kind_of(status.st_mode)
    if kind == -1 or (kind == Kind.DIRECTORY) != (row.kind == Kind.DIRECTORY):
        return None
    return Entry(
        row.key, kind, status.st_size if kind == Kind.FILE else 0, *kept_times(status),
        status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_dev, status.st_ino, 1, status.st_blocks,
    )  # fmt: skip
