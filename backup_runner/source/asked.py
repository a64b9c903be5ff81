"""The parameters of a scan, and its results besides entries."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..patterns.globs import NO_RULES, Rules
from ..records import Problem
from ..spec import Bounds, Symlinks
from ..spec.sources import NO_BOUNDS

OnProblem = Callable[[Problem], None]


@dataclass(frozen=True, slots=True)
class ScanSource:
    """A directory or file to scan.

    `path` is absolute; `key` is its stored path, with or without the trailing slash of a directory.
    """

    path: bytes
    key: bytes
    rules: Rules = NO_RULES
    bounds: Bounds = NO_BOUNDS
    output: bool = False
    """Not on disk: the output of a program."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """`own` are absolute paths of our own files and directories, whether they exist yet or not."""

    symlinks: Symlinks = Symlinks.SKIP
    own: tuple[bytes, ...] = ()
    chunk: int = 4096
    """Names of a folder that are looked up at once."""
    batch: int = 2000
    """Entries that are handed on at once, at least."""


@dataclass(slots=True)
class ScanTotals:
    """Filled while a scan runs; correct up to the last yielded key.

    Larger than usual, because each kind of thing is counted by itself.
    """

    files: int = 0
    folders: int = 0
    symlinks: int = 0
    size: int = 0
    """The bytes of all files yielded."""
    skipped: int = 0
    """Excluded by rules; a folder counts as one, whatever is in it."""
    marked: int = 0
    """Folders excluded because of a file in them."""
    other_systems: int = 0
    """Entries on another file system than the source: mount points, kept as empty folders, and mounted files."""
    too_large: int = 0
    too_large_size: int = 0
    too_large_named: list[bytes] = field(default_factory=list)
    """Keys of the first of them."""
    symlinks_skipped: int = 0
    special: int = 0
    """Sockets, fifos and devices."""
    left_out: int = 0
    """Our own files and directories."""
    files_by_source: dict[bytes, int] = field(default_factory=dict)
    """By the key of the source's root; sources that are missing have no number here."""
    missing: list[bytes] = field(default_factory=list)
    """Keys of sources that do not exist or cannot be accessed. Complete before the first entry."""
    unlisted: list[bytes] = field(default_factory=list)
    """Keys about which nothing is known: a path, or (b"" or with a trailing slash) it and everything below."""


class OwnFiles:
    """Our own files, by device and inode, and by path for those that appear during a scan."""

    def __init__(self, paths: Iterable[bytes]) -> None:
        ids: set[tuple[int, int]] = set()
        self._names: dict[bytes, set[bytes]] = {}
        for path in paths:
            folder, _, name = path.rstrip(b"/").rpartition(b"/")
            self._names.setdefault(os.path.realpath(folder or b"/"), set()).add(name)
            try:
                found = os.stat(path)
            except OSError:
                continue
            ids.add((found.st_dev, found.st_ino))
        self._ids = frozenset(ids)
        self.inodes = frozenset(ino for _, ino in ids)

    def holds(self, dev: int, ino: int) -> bool:
        """Whether that file is ours. `inodes` answers most queries faster."""
        return (dev, ino) in self._ids

    def names_in(self, folder: bytes) -> set[bytes]:
        """Our names in a folder, given by its path without symlinks and without a trailing slash."""
        return self._names.get(folder, set())
