"""Reads one folder at a time: names first, in the order of keys, then their metadata in chunks.

Everything is accessed through the folder's descriptor, which was opened without following symlinks below the
source: swapping a folder for a symlink during the scan has no effect. Names are kept, not entries, so that a
folder with a million files costs little memory.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..beneath import open_beneath
from ..foreign import describe
from ..moments import HIGHEST_NS, LOWEST_NS
from ..patterns.globs import Rules
from ..records import EntryFields, Kind, Problem
from ..spec import Bounds, Symlinks
from .asked import OnProblem, OwnFiles, ScanTotals
from .marks import mark_of
from .times import kept_times, odd_times

_NAMED: Final = 5
_FILE, _DIRECTORY, _SYMLINK, _SPECIAL = int(Kind.FILE), int(Kind.DIRECTORY), int(Kind.SYMLINK), -1
_KINDS: Final = {stat.S_IFREG: _FILE, stat.S_IFDIR: _DIRECTORY, stat.S_IFLNK: _SYMLINK}
_SPECIAL_NAMES: Final = {
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
_SLASH: Final = ord("/")
_ENCODING: Final = sys.getfilesystemencoding()
_ERRORS: Final = sys.getfilesystemencodeerrors()


@dataclass(frozen=True, slots=True)
class Context:
    """What stays the same for all folders of one source."""

    key: bytes
    """The root's key."""
    real: bytes
    """The root's path on disk, all symlinks resolved."""
    rules: Rules
    bounds: Bounds
    dev: int
    """The root's device."""
    symlinks: Symlinks
    own: OwnFiles
    totals: ScanTotals
    on_problem: OnProblem
    chunk: int
    """Names that are looked up at once."""


class Chunk(NamedTuple):
    """A part of a folder, sorted by key, with the indexes of its folders."""

    entries: list[EntryFields]
    folders: list[int]


class FolderReader:
    """Turns folders of one source into entries and problems."""

    def __init__(self, context: Context) -> None:
        self._context = context
        bounds = context.bounds
        self._marks = bool(bounds.markers or bounds.caches)
        self._largest = sys.maxsize if bounds.max_file_size is None else bounds.max_file_size

    def read(self, key: bytes) -> Iterator[Chunk] | None:
        """The children of a folder by key order, in chunks, none if it cannot be listed.

        None (not an empty iterator) if the folder is no longer there at all, or excluded because of a file in it."""
        relative = key[len(self._context.key) :]
        try:
            fd = self._open(relative)
        except OSError as error:
            return iter(()) if self._unlisted(key, error) else None
        try:
            if relative and self._marks and mark_of(fd, self._context.bounds):
                self._context.totals.marked += 1
                return None
            names = self._names(fd, relative)
            first = self._entries(fd, key, names[: self._context.chunk])
        except OSError as error:
            return iter(()) if self._unlisted(key, error) else None
        finally:
            os.close(fd)
        return iter((first,)) if len(names) <= self._context.chunk else self._chunks(key, first, names)

    def _chunks(self, key: bytes, first: Chunk, names: list[bytes]) -> Iterator[Chunk]:
        yield first
        for at in range(self._context.chunk, len(names), self._context.chunk):
            # Reopened for each chunk: in between, the scan may be a thousand folders deep elsewhere.
            try:
                fd = self._open(key[len(self._context.key) :])
            except OSError as error:
                self._unlisted(key, error)
                return
            try:
                chunk = self._entries(fd, key, names[at : at + self._context.chunk])
            finally:
                os.close(fd)
            yield chunk

    def _open(self, relative: bytes) -> int:
        root = self._context.real.rstrip(b"/")
        return open_beneath(root + b"/" + relative[:-1], os.O_RDONLY | os.O_DIRECTORY)

    def _names(self, fd: int, relative: bytes) -> list[bytes]:
        """Names that the rules do not exclude, sorted; folders with a trailing slash."""
        context = self._context
        rules = context.rules.folder(relative)
        could_skip_file, could_skip_folder = rules.could_skip_file, rules.could_skip_folder
        own = context.own.names_in((context.real + b"/" + relative).rstrip(b"/") or b"/")
        names: list[bytes] = []
        add, encoding, errors = names.append, _ENCODING, _ERRORS
        with os.scandir(fd) as found:
            for item in found:
                # What os.fsencode does, without a call in Python for each name.
                name = item.name.encode(encoding, errors)
                try:
                    is_dir = item.is_dir(follow_symlinks=False)
                except OSError:
                    # Only if listings have no types; reading the entry will show the error.
                    is_dir = False
                could = could_skip_folder if is_dir else could_skip_file
                if own and name in own:
                    context.totals.left_out += 1
                elif could and could(name) and rules.skips(relative, name, is_dir=is_dir):
                    context.totals.skipped += 1
                else:
                    add(name + b"/" if is_dir else name)
        names.sort()
        return names

    def _entries(self, fd: int, key: bytes, names: list[bytes]) -> Chunk:
        """The inner loop of every scan: each call and lookup here happens a million times."""
        totals, own = self._context.totals, self._context.own
        look, kinds, own_inodes = os.stat, _KINDS, own.inodes
        largest, stays, root_dev = self._largest, self._context.bounds.one_file_system, self._context.dev
        entries: list[EntryFields] = []
        add = entries.append
        folders: list[int] = []
        others = sizes = 0
        for name in names:
            is_folder = name[-1] == _SLASH
            try:
                # A trailing slash would follow a symlink that replaced the folder.
                found = look(name[:-1] if is_folder else name, dir_fd=fd, follow_symlinks=False)
            except OSError as error:
                self._lost(key + name, error)
                continue
            mode, ino, dev, links, uid, gid, size, _, _, _ = found
            if ino in own_inodes and own.holds(dev, ino):
                totals.left_out += 1
                continue
            path = key + name
            kind = kinds.get(mode & 0o170000, _SPECIAL)
            elsewhere = stays and dev != root_dev
            totals.other_systems += elsewhere
            if elsewhere and kind != _DIRECTORY:
                continue
            if kind or is_folder:
                if not self._admit(path, kind, mode):
                    continue
                if kind == _DIRECTORY and not elsewhere:
                    folders.append(len(entries))
                others += 1
                size = 0
            elif size > largest:
                self._too_large(path, size)
                continue
            sizes += size
            mtime, ctime, blocks = found.st_mtime_ns, found.st_ctime_ns, found.st_blocks
            if mtime > HIGHEST_NS or mtime < LOWEST_NS or ctime > HIGHEST_NS or ctime < LOWEST_NS:
                self._context.on_problem(odd_times(path, found))
                mtime, ctime = kept_times(found)
            add((path, kind, size, mtime, ctime, mode & 0o7777, uid, gid, dev, ino, links, blocks))
        totals.files += len(entries) - others
        totals.size += sizes
        return Chunk(entries, folders)

    def _too_large(self, key: bytes, size: int) -> None:
        totals = self._context.totals
        totals.too_large += 1
        totals.too_large_size += size
        if len(totals.too_large_named) < _NAMED:
            totals.too_large_named.append(key)

    def _admit(self, key: bytes, kind: int, mode: int) -> bool:
        """Count what is not a file, and return whether it becomes an entry."""
        totals = self._context.totals
        if (kind == _DIRECTORY) != key.endswith(b"/"):
            self._changed(key)
            return False
        if kind == _DIRECTORY:
            totals.folders += 1
        elif kind == _SPECIAL:
            totals.special += 1
            what = _SPECIAL_NAMES.get(stat.S_IFMT(mode), "special file")
            self._context.on_problem(Problem(key, "special", f"is a {what}; these are never backed up"))
            return False
        elif self._context.symlinks is Symlinks.SKIP:
            totals.symlinks_skipped += 1
            return False
        else:
            totals.symlinks += 1
        return True

    def _changed(self, key: bytes) -> None:
        """A folder became something else, or vice versa: its position in the order is lost."""
        self._context.totals.unlisted.append(key.rstrip(b"/") + b"/")
        self._context.totals.unlisted.append(key.rstrip(b"/"))
        self._context.on_problem(Problem(key, "changed", "changed its type while it was being read"))

    def _lost(self, key: bytes, error: OSError) -> None:
        """A listed name that cannot be accessed."""
        vanished = error.errno == errno.ENOENT
        if not vanished or key.endswith(b"/"):
            self._context.totals.unlisted.append(key)
        if not vanished and not key.endswith(b"/"):
            # If the listing has no types, this may have been a folder.
            self._context.totals.unlisted.append(key + b"/")
        self._problem(key, error)

    def _unlisted(self, key: bytes, error: OSError) -> bool:
        """Record a folder that cannot be listed; False if it no longer exists."""
        self._context.totals.unlisted.append(key)
        self._problem(key, error)
        return error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

    def _problem(self, key: bytes, error: OSError) -> None:
        kinds = {errno.ENOENT: "vanished", errno.ENOTDIR: "changed", errno.ELOOP: "changed"}
        kind = kinds.get(error.errno or 0, "unreadable")
        self._context.on_problem(Problem(key, kind, describe(error)))
