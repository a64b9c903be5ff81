"""In place of a scan: is what the catalog knows still there? For `file cleanup`, which must meet nothing new."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

from .catalog import Catalog, history
from .reading import kind_of
from .records import CatalogRow, Entry, Kind, Problem
from .scan import ScanTotals
from .scan_access import lstat_entry
from .spec import Job

_BATCH = 2000
_GONE = (errno.ENOENT, errno.ENOTDIR)


def look_at_known(
    cat: Catalog, job_id: int, job: Job, totals: ScanTotals, on_problem: Callable[[Problem], None]
) -> Iterator[list[Entry]]:
    """Entries of the known paths that are there, sorted by key; fills `totals` as a scan of the sources would.

    A source that is not there, or is an empty folder, counts as missing: an unmounted disk looks like that."""
    roots = frozenset(source.key.rstrip(b"/") for source in job.sources)
    for source in job.sources:
        if not _looks_mounted(source.path):
            root = source.key.rstrip(b"/")
            totals.missing.append(root)
            totals.unlisted.append(root + b"/" if root else b"")
            on_problem(Problem(source.key, "source-missing", "is not there or empty; is a disk not mounted?"))
    batch: list[Entry] = []
    for row in history.current(cat, job_id):
        entry = _entry(row, job.base, on_problem)
        if entry is None:
            continue
        batch.append(entry)
        totals.files += entry.kind != Kind.DIRECTORY
        _count(roots, entry.key, totals)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _looks_mounted(path: bytes) -> bool:
    try:
        with os.scandir(path) as found:
            return next(found, None) is not None
    except NotADirectoryError:
        return True
    except OSError:
        return False


def _entry(row: CatalogRow, base: bytes, on_problem: Callable[[Problem], None]) -> Entry | None:
    try:
        status = lstat_entry(base, row.key.rstrip(b"/"))
    except OSError as error:
        if error.errno in _GONE:
            return None
        # What cannot be looked at is not gone.
        on_problem(Problem(row.key, "unreadable", error.strerror or str(error)))
        return Entry(*row[:8], 0, 0, 1, 0)
    kind = kind_of(status.st_mode)
    if kind == -1 or (kind == Kind.DIRECTORY) != (row.kind == Kind.DIRECTORY):
        return None
    return Entry(
        row.key, kind, status.st_size if kind == Kind.FILE else 0, status.st_mtime_ns, status.st_ctime_ns,
        status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_dev, status.st_ino, 1, status.st_blocks,
    )  # fmt: skip


def _count(roots: frozenset[bytes], key: bytes, totals: ScanTotals) -> None:
    """Note at every source that something of it is there; a folder, too, tells that its disk is mounted."""
    if not key.endswith(b"/") and key in roots:
        totals.files_by_source[key] = totals.files_by_source.get(key, 0) + 1
    key = key.rstrip(b"/")
    while key:
        key = key.rpartition(b"/")[0]
        if key in roots:
            totals.files_by_source[key] = totals.files_by_source.get(key, 0) + 1
