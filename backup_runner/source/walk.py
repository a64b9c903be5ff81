"""Walks the sources of a job and yields entries sorted by key.

The order is that of a depth-first walk in which a folder sorts as its name plus a slash; it is the
byte order of keys, so that a scan and a catalog can be merged as two streams. No recursion, no open descriptors,
no list of all files: depth and width are limited only by memory for names.
"""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter

from ..foreign import describe
from ..records import OUTPUT_DEV, Entry, EntryFields, Kind, Problem
from .access import is_mount_point, mount_point_of, read_changed, read_xattrs
from .asked import OnProblem, OwnFiles, ScanOptions, ScanSource, ScanTotals
from .folder import Chunk, Context, FolderReader
from .times import kept_times, odd_times

__all__ = [
    "OnProblem",
    "ScanOptions",
    "ScanSource",
    "ScanTotals",
    "is_mount_point",
    "mount_point_of",
    "read_changed",
    "read_xattrs",
    "scan",
    "scan_fields",
]
_SLASH = ord("/")


def scan(
    sources: Sequence[ScanSource], options: ScanOptions, *, totals: ScanTotals, on_problem: OnProblem
) -> Iterator[list[Entry]]:
    """The same as `scan_fields`, with names to the fields."""
    for batch in scan_fields(sources, options, totals=totals, on_problem=on_problem):
        yield list(map(Entry._make, batch))


def scan_fields(
    sources: Sequence[ScanSource], options: ScanOptions, *, totals: ScanTotals, on_problem: OnProblem
) -> Iterator[list[EntryFields]]:
    """Yield all entries of all sources in batches, globally sorted by key.

    Sources on disk must not overlap; outputs may be anywhere, and replace a file of the same path. A folder of that
    path, and a file above it, are left out with a problem: no key is both a file and a folder. The root folder of a
    source is an entry too; rules do not apply to roots. Raises nothing: paths that cannot be accessed go to
    `on_problem`, and to `totals.missing` or `totals.unlisted`. A missing source has the problem kind `source-missing`.
    `totals` is filled during the scan.
    """
    outputs = sorted(source.key for source in sources if source.output)
    beside = _Beside(outputs, on_problem)
    batches = _of_disk([source for source in sources if not source.output], options, totals, on_problem)
    if not outputs:
        yield from batches
        return
    totals.files += len(outputs)
    totals.files_by_source |= dict.fromkeys(outputs, 1)
    at = 0
    for batch in batches:
        stop = bisect_right(outputs, batch[-1][0])
        beside.clear(batch)
        if stop > at:
            there = set(outputs[at:stop])
            batch = [entry for entry in batch if entry[0] not in there]
            batch = sorted([*batch, *map(_output_entry, outputs[at:stop])], key=itemgetter(0))
            at = stop
        yield batch
    if at < len(outputs):
        yield [_output_entry(key) for key in outputs[at:]]


class _Beside:
    """What on disk cannot be stored beside outputs."""

    def __init__(self, outputs: Sequence[bytes], on_problem: OnProblem) -> None:
        self._outputs = outputs
        self._above = {key[:at] for key in outputs for at, byte in enumerate(key) if byte == _SLASH}
        self._on_problem = on_problem
        self._told: set[bytes] = set()

    def clear(self, batch: list[EntryFields]) -> None:
        """Take it out of a batch."""
        first = itemgetter(0)
        for key in self._outputs:
            # What is below a folder lies between these two.
            low, high = (bisect_left(batch, key + end, key=first) for end in (b"/", b"0"))
            if low < high:
                del batch[low:high]
                self._tell(key + b"/", "is stored as the output of a command, so the folder is not backed up")
        # Keys of folders end in a slash, so these are files and symlinks.
        for key in self._above.intersection(map(first, batch)):
            del batch[bisect_left(batch, key, key=first)]
            self._tell(key, "is not backed up, because the output of a command is stored below it")

    def _tell(self, key: bytes, message: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._on_problem(Problem(key, "name-taken", message))


def _output_entry(key: bytes) -> EntryFields:
    return (key, int(Kind.FILE), 0, 0, 0, 0o600, os.geteuid(), os.getegid(), OUTPUT_DEV, 0, 1, 0)


def _of_disk(
    sources: Sequence[ScanSource], options: ScanOptions, totals: ScanTotals, on_problem: OnProblem
) -> Iterator[list[EntryFields]]:
    own = OwnFiles(options.own)
    roots = []
    for source in sources:
        root = _root(source, totals, on_problem)
        if root:
            roots.append((root, source))
    roots.sort(key=lambda pair: pair[0][0])
    batch: list[EntryFields] = []
    for root, source in roots:
        before = totals.files + totals.symlinks
        context = Context(
            key=root[0],
            real=os.path.realpath(source.path),
            rules=source.rules,
            bounds=source.bounds,
            dev=root[8],
            symlinks=options.symlinks,
            own=own,
            totals=totals,
            on_problem=on_problem,
            chunk=options.chunk,
        )
        for run in _walk(root, context):
            batch += run
            if len(batch) >= options.batch:
                yield batch
                batch = []
        totals.files_by_source[root[0]] = totals.files + totals.symlinks - before
    if batch:
        yield batch


def _root(source: ScanSource, totals: ScanTotals, on_problem: OnProblem) -> EntryFields | None:
    """The entry of the source itself, symlinks followed; None, and a problem, if there is none."""
    key = source.key.rstrip(b"/")
    try:
        found = os.stat(source.path)
    except OSError as error:
        gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
        problem = Problem(key, "source-missing" if gone else "unreadable", describe(error))
        _missing(problem, totals, on_problem)
        return None
    is_dir = stat.S_ISDIR(found.st_mode)
    if not is_dir and not stat.S_ISREG(found.st_mode):
        totals.special += 1
        _missing(Problem(key, "source-missing", "is neither a directory nor a file"), totals, on_problem)
        return None
    key += b"/" if is_dir and key else b""
    times = kept_times(found)
    if times != (found.st_mtime_ns, found.st_ctime_ns):
        on_problem(odd_times(key, found))
    kind, size = (Kind.DIRECTORY, 0) if is_dir else (Kind.FILE, found.st_size)
    return (
        key, int(kind), size, *times, stat.S_IMODE(found.st_mode), found.st_uid,
        found.st_gid, found.st_dev, found.st_ino, found.st_nlink, found.st_blocks,
    )  # fmt: skip


def _missing(problem: Problem, totals: ScanTotals, on_problem: OnProblem) -> None:
    totals.missing.append(problem.key)
    totals.unlisted += [problem.key, problem.key + b"/"] if problem.key else [b""]
    on_problem(problem)


class _Frame:
    """A folder in progress: its chunks, and the position in the current one."""

    __slots__ = ("_at", "_chunks", "_entries", "_folders")

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._entries: list[EntryFields] = []
        self._folders: Iterator[int] = iter(())
        self._at = 0

    def advance(self) -> tuple[list[EntryFields], EntryFields | None] | None:
        """Entries up to the next folder, and that folder (None at a chunk's end); None at the folder's end."""
        if self._at >= len(self._entries):
            chunk = next(self._chunks, None)
            if chunk is None:
                return None
            self._entries, self._folders, self._at = chunk.entries, iter(chunk.folders), 0
        start, stop = self._at, next(self._folders, None)
        if stop is None:
            self._at = len(self._entries)
            return self._entries[start:], None
        self._at = stop + 1
        return self._entries[start:stop], self._entries[stop]


def _walk(root: EntryFields, context: Context) -> Iterator[list[EntryFields]]:
    """Sorted runs of entries, the root's own first."""
    if root[1] == Kind.FILE:
        context.totals.files += 1
        context.totals.size += root[2]
        yield [root]
        return
    reader = FolderReader(context)
    context.totals.folders += 1
    stack: list[_Frame] = []
    entered: EntryFields | None = root
    while True:
        chunks = reader.read(entered[0]) if entered else None
        if entered and chunks is None:
            context.totals.folders -= 1
        elif entered and chunks is not None:
            yield [entered]
            stack.append(_Frame(chunks))
        entered = None
        if not stack:
            return
        step = stack[-1].advance()
        if step is None:
            stack.pop()
            continue
        run, entered = step
        yield run
