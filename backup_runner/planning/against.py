"""Compares a snapshot with the disk: what is different now from what was backed up then.

Files are found as for a backup, with the job's rules. A file with the snapshot's size and mtime counts as the same,
unless everything is to be read; one with another mtime is read and compared by its hash.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from ..catalog import Catalog
from ..catalog.browsing import Difference, PathVersion, difference_of, entries
from ..catalog.composed import composition
from ..contents.comparing import is_composed_of
from ..errors import DamagedError
from ..foreign import describe
from ..records import OUTPUT_DEV, Entry, Flag, Kind, Problem
from ..source.tree import Tree
from ..source.walk import ScanTotals, scan
from ..source.xattrs import encode_xattrs
from ..spec import Job
from .facts import hash_file
from .sources import scan_settings


class DiskSide:
    """The disk as the other side of a comparison. `left_out` counts paths of the snapshot that the job now skips."""

    def __init__(self, job: Job, cat: Catalog, on_problem: Callable[[Problem], None], *, checksum: bool) -> None:
        self.left_out = 0
        self._job, self._cat, self._checksum, self._on_problem = job, cat, checksum, on_problem
        self._tree = Tree(((source.key, source.path) for source in job.sources if not source.output), births=True)

    def differences(self, job_id: int, snapshot_id: int, meant: Callable[[bytes], bool]) -> Iterator[Difference]:
        """What turns the snapshot into what is on disk, by key; only paths for which `meant` is true."""
        totals = ScanTotals()
        rows = (
            row for row in entries(self._cat, job_id, snapshot_id) if meant(row.key) and not row.flags & Flag.OUTPUT
        )
        row = next(rows, None)
        sources, options = scan_settings(self._job)
        for batch in scan(sources, options, totals=totals, on_problem=self._on_problem):
            for entry in batch:
                if entry.dev == OUTPUT_DEV or not meant(entry.key):
                    continue
                while row is not None and row.key < entry.key:
                    yield from self._gone(row, totals)
                    row = next(rows, None)
                if row is None or row.key != entry.key:
                    yield Difference(entry.key, "added", None, self._version(entry, None), ())
                    continue
                yield from self._compared(row, entry)
                row = next(rows, None)
        while row is not None:
            yield from self._gone(row, totals)
            row = next(rows, None)

    def _gone(self, row: PathVersion, totals: ScanTotals) -> Iterator[Difference]:
        if any(row.key == root or (root.endswith(b"/") and row.key.startswith(root)) for root in totals.unlisted):
            return
        try:
            self._tree.status(row.key)
        except OSError:
            yield Difference(row.key, "removed", row, None, ())
        else:
            self.left_out += 1

    def _compared(self, row: PathVersion, entry: Entry) -> Iterator[Difference]:
        same = (row.kind, row.size, row.mtime_ns, row.ctime_ns, row.mode, row.uid, row.gid) == entry[1:3] + entry[3:8]
        if same and not self._checksum:
            return
        found = difference_of(row, self._version(entry, row))
        if found.what:
            yield found

    def _version(self, entry: Entry, row: PathVersion | None) -> PathVersion:
        """The entry as if it were stored, with the content and the links of `row` where they are the same."""
        link = xattrs = blake3 = content_id = None
        key = entry.key
        try:
            link = self._tree.link(key) if entry.kind == Kind.SYMLINK else None
            xattrs = encode_xattrs(self._tree.xattrs(key)) if row is not None else None
            if row is not None and entry.kind == row.kind == Kind.FILE:
                if self._has_content(entry, row):
                    content_id, blake3 = row.content_id, row.blake3
                else:
                    content_id = -1
        except OSError as error:
            self._on_problem(Problem(key, "unreadable", describe(error)))
            content_id = row.content_id if row is not None else None
        return PathVersion(
            key, entry.kind, entry.size, entry.mtime_ns, entry.mode, entry.uid, entry.gid, 0, content_id,
            row.leader if row is not None else None, link, xattrs, blake3, None, 0, None, entry.ctime_ns,
        )  # fmt: skip

    def _has_content(self, entry: Entry, row: PathVersion) -> bool:
        """Raises OSError."""
        if entry.size != row.size or row.content_id is None:
            return False
        if not self._checksum and entry.mtime_ns == row.mtime_ns:
            return True
        if row.blake3 is None or row.md5 is None:
            return self._has_pieces(entry.key, row)
        return hash_file(self._tree, entry.key, with_md5=False).blake3 == row.blake3

    def _has_pieces(self, key: bytes, row: PathVersion) -> bool:
        """For contents that are known by their pieces, or only by an MD5 of another tool. Raises OSError."""
        assert row.content_id is not None
        if row.blake3 is None:
            return hash_file(self._tree, key, with_md5=True).md5 == row.md5
        fd, _ = self._tree.open(key)
        try:
            return is_composed_of(fd, composition(self._cat, row.content_id, row.size))
        except DamagedError:
            return False
        finally:
            os.close(fd)
