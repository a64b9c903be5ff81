"""Merges two streams sorted by key, scan and catalog, into actions on a job's paths.

Pure: the streams and all knowledge (`Facts`) are handed in. Nothing here keeps a list of all files; memory grows
only with the number of hard-linked files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..reasons import Cause, Reason
from ..records import OUTPUT_DEV, Action, ActionKind, CatalogRow, Entry, EntryFields, Kind
from ..spec import Detect
from .comparing import lacking, metadata_moved, moved, path_action
from .filepaths import FilePlanner
from .knowledge import Facts, Policy, Tally

Brief = tuple[bytes, int, int, int, int, int, int, int]
"""The first eight fields of a `CatalogRow`."""
_NEW = Reason(Cause.NEW)
_OUTPUT = Reason(Cause.OUTPUT)


class PathPlanner:
    """Merges a scan with the catalog's rows; `tally` is complete once `run` is exhausted."""

    def __init__(self, policy: Policy, facts: Facts) -> None:
        self.tally = Tally()
        self._policy = policy
        self._facts = facts
        self._files = FilePlanner(policy, facts, self.tally)
        self._leaders: dict[tuple[int, int], bytes] = {}

    def run(self, entries: Iterable[EntryFields], rows: Iterable[CatalogRow | Brief]) -> Iterator[Action]:
        """Actions in the order of keys. Both inputs must be sorted by key.

        Rows may be brief: only the first eight fields of a path, if nothing else matters as long as these equal what
        the scan found."""
        upcoming = iter(rows)
        row = next(upcoming, None)
        # Almost all paths are equal in all fields: that case must cost one comparison.
        quick = self._policy.detect is Detect.CTIME
        tally = self.tally
        folder = int(Kind.DIRECTORY)
        unchanged = unchanged_bytes = 0
        for entry in entries:
            key = entry[0]
            while row is not None and row[0] < key:
                yield from self._gone(self._whole(row))
                row = next(upcoming, None)
            if row is None or row[0] != key:
                yield self._new(Entry._make(entry))
                continue
            if quick and entry[:8] == row[:8] and (len(row) == 8 or self._plain(row)):
                if entry[1] == folder:
                    pass
                elif entry[10] < 2:
                    unchanged += 1
                    unchanged_bytes += row[2]
                else:
                    # One of several hard links: which of them is the first may have changed.
                    yield from self._known(Entry._make(entry), self._whole(row))
            else:
                yield from self._known(Entry._make(entry), self._whole(row))
            row = next(upcoming, None)
        tally.known += unchanged
        tally.unchanged += unchanged
        tally.unchanged_bytes += unchanged_bytes
        while row is not None:
            yield from self._gone(self._whole(row))
            row = next(upcoming, None)

    def _plain(self, row: CatalogRow) -> bool:
        """Whether nothing but the first eight fields matters."""
        special = row.flags or row.leader or row.held
        return (
            not special and not self._files.reseals(row) and not (row.content_id and self._facts.damage(row.content_id))
        )

    def _whole(self, row: CatalogRow | Brief) -> CatalogRow:
        return row if isinstance(row, CatalogRow) else self._facts.row(row[0])

    # -- paths that the catalog does not have

    def _new(self, entry: Entry) -> Action:
        if entry.dev == OUTPUT_DEV:
            return path_action(ActionKind.UPLOAD, entry, _OUTPUT)
        if entry.kind != Kind.FILE:
            return path_action(ActionKind.UPLOAD, entry, _NEW)
        leader = self._leader(entry)
        if leader is not None and leader != entry.key:
            return path_action(ActionKind.LINK, entry, Reason(Cause.HARD_LINK), leader=leader)
        return self._files.new(entry, leader, _NEW)

    def _leader(self, entry: Entry) -> bytes | None:
        """The first path of this inode, if it has several links; the path itself when it is the first."""
        if entry.links < 2:
            return None
        return self._leaders.setdefault((entry.dev, entry.ino), entry.key)

    # -- paths that it has

    def _known(self, entry: Entry, row: CatalogRow) -> Iterator[Action]:
        if entry.kind == Kind.DIRECTORY:
            if reason := moved(entry, row, self._policy.detect) or metadata_moved(entry, row) or lacking(row):
                yield path_action(ActionKind.TOUCH, entry, reason)
            return
        self.tally.known += 1
        if entry.dev == OUTPUT_DEV:
            # Its size is unknown, so the last one is used.
            last = Entry(*row[:8], OUTPUT_DEV, 0, 1, 0)._replace(kind=Kind.FILE)
            yield path_action(ActionKind.UPDATE, last, _OUTPUT, content_id=row.content_id)
        elif entry.kind != row.kind:
            was = "symlink" if row.kind == Kind.SYMLINK else "file"
            action = self._new(entry)
            action.kind = ActionKind.UPDATE if action.kind is ActionKind.UPLOAD else action.kind
            action.reason = Reason(Cause.TYPE, details=(was,))
            yield action
        elif entry.kind == Kind.SYMLINK:
            yield from self._known_symlink(entry, row)
        else:
            yield from self._files.known(entry, row, self._leader(entry))

    def _known_symlink(self, entry: Entry, row: CatalogRow) -> Iterator[Action]:
        if reason := moved(entry, row, self._policy.detect):
            yield path_action(ActionKind.UPDATE, entry, reason)
        elif reason := metadata_moved(entry, row) or lacking(row):
            yield path_action(ActionKind.TOUCH, entry, reason)
        else:
            self.tally.same(row)

    # -- paths that the scan did not find

    def _gone(self, row: CatalogRow) -> Iterator[Action]:
        if row.kind != Kind.DIRECTORY:
            self.tally.known += 1
        if self._facts.unlisted(row.key):
            self.tally.kept_unseen += 1
            return
        yield Action(
            ActionKind.REMOVE, self._facts.gone_reason(row.key), row.key, row.kind, row.size, row.mtime_ns, row.ctime_ns
        )
