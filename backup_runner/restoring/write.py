"""Writing one file, symlink or folder with all its metadata; what is there already is looked at first."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from blake3 import blake3

from ..catalog.restoring import FileRow, PlainRow
from ..errors import CatalogError, DamagedError
from ..records import Flag
from ..source.xattrs import decode_xattrs
from ..spec import Overwrite
from .goal import BlockedError, Goal, split_key

_BLOCK = 4096
_ZEROS = bytes(_BLOCK)
_CHUNK = 1 << 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_ID = stat.S_ISUID | stat.S_ISGID


class Decision(StrEnum):
    """What is done with a path, given what is there."""

    WRITE = "restored"
    UNCHANGED = "unchanged"
    KEEP = "kept"


class Meta(Protocol):
    """What files and folders have in common."""

    @property
    def mode(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def xattrs(self) -> bytes | None: ...


class Hasher:
    """Checks the strong hash of a content as its bytes pass by; MD5 where none is recorded."""

    def __init__(self, row: FileRow) -> None:
        self._expected = row.blake3 or row.md5
        self._hash = blake3() if row.blake3 or not row.md5 else hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._row = row

    def update(self, data: bytes) -> None:
        self._size += len(data)
        if self._expected is not None:
            self._hash.update(data)

    def check(self) -> None:
        """Raises DamagedError unless these were the bytes that were backed up."""
        if self._size != self._row.size:
            raise DamagedError(f"has {self._size} bytes, {self._row.size} were backed up")
        if self._expected is not None and self._hash.digest() != self._expected:
            raise DamagedError("its hash is not that of what was backed up")


class Writer:
    """Writes below one goal. `notes` counts what could not be set, by sentence."""

    def __init__(self, goal: Goal, overwrite: Overwrite) -> None:
        self.goal = goal
        self.overwrite = overwrite
        self.notes: Counter[str] = Counter()
        self._root = os.geteuid() == 0

    # -- files

    def decide(self, row: FileRow) -> Decision:
        """What to do with a file. Raises OSError, BlockedError, UnsafeKeyError."""
        head, name = split_key(row.key)
        at = self.goal.folder(head)
        try:
            there = os.stat(name, dir_fd=at, follow_symlinks=False)
        except FileNotFoundError:
            return Decision.WRITE
        if stat.S_ISDIR(there.st_mode):
            raise BlockedError("a folder stands where the file should go; it was left")
        if self.overwrite is Overwrite.ALWAYS:
            return Decision.WRITE
        comparable = stat.S_ISREG(there.st_mode) and there.st_size == row.size
        if comparable and (there.st_mtime_ns == row.mtime_ns or _same_bytes(at, name, row)):
            return Decision.UNCHANGED
        return Decision.KEEP if self.overwrite is Overwrite.NEVER else Decision.WRITE

    def refresh(self, row: FileRow) -> None:
        """Set the metadata of a file whose bytes are right."""
        head, name = split_key(row.key)
        at = self.goal.folder(head)
        there = os.stat(name, dir_fd=at, follow_symlinks=False)
        have = (stat.S_IMODE(there.st_mode), there.st_mtime_ns)
        if have == (row.mode, row.mtime_ns) and row.xattrs is None and not self._owner_differs(there, row):
            return
        fd = os.open(name, _READ, dir_fd=at)
        try:
            self.set_meta(fd, row)
        finally:
            os.close(fd)

    def put(self, row: FileRow, data: bytes) -> None:
        """Bring a checked content under its final name."""
        fd, temporary = self.create(row.key)
        try:
            write_at(fd, data, 0, sparse=bool(row.flags & Flag.SPARSE))
            if row.flags & Flag.SPARSE:
                os.ftruncate(fd, row.size)
            self.finish(fd, row, temporary)
        except BaseException:
            self.discard(row.key, temporary)
            raise
        finally:
            os.close(fd)

    def create(self, key: bytes) -> tuple[int, bytes]:
        """Descriptor and name of a new temporary file next to the goal of `key`."""
        at = self.goal.folder(split_key(key)[0])
        temporary = self.goal.temporary_name()
        return os.open(temporary, _NEW, 0o600, dir_fd=at), temporary

    def reopen(self, key: bytes, temporary: bytes) -> int:
        """Descriptor of a temporary file that another process made."""
        at = self.goal.folder(split_key(key)[0])
        return os.open(temporary, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)

    def finish(self, fd: int, row: FileRow, temporary: bytes) -> None:
        """Set the metadata of a temporary file and give it its final name."""
        self.set_meta(fd, row)
        head, name = split_key(row.key)
        at = self.goal.folder(head)
        os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
        if row.blake3 is None and row.md5 is None:
            self.notes["the catalog has no hash to compare with"] += 1

    def discard(self, key: bytes, temporary: bytes) -> None:
        """Take a temporary file away; that it is gone already is no error."""
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=self.goal.folder(split_key(key)[0]))

    def link(self, first: bytes, row: FileRow) -> Decision:
        """Make `row` a hard link of the file `first`, which is restored."""
        head, name = split_key(row.key)
        above, source = split_key(first)
        decision = self.decide(row)
        origin = os.dup(self.goal.folder(above))
        try:
            at = self.goal.folder(head)
            if decision is Decision.KEEP or _same_file((origin, source), (at, name)):
                return Decision.KEEP if decision is Decision.KEEP else Decision.UNCHANGED
            if decision is Decision.UNCHANGED and self.overwrite is Overwrite.NEVER:
                return decision
            temporary = self.goal.temporary_name()
            os.link(source, temporary, src_dir_fd=origin, dst_dir_fd=at, follow_symlinks=False)
            _rename(temporary, name, at)
        finally:
            os.close(origin)
        return Decision.WRITE

    # -- folders and symlinks

    def finish_folder(self, row: PlainRow) -> None:
        """Final mode, owner and times of a folder, set when nothing more is written in it."""
        if row.key:
            head, name = split_key(row.key)
            fd = os.open(name, _READ | os.O_DIRECTORY, dir_fd=self.goal.folder(head))
        else:
            fd = os.open(b".", _READ | os.O_DIRECTORY, dir_fd=self.goal.root)
        try:
            self.set_meta(fd, row)
        finally:
            os.close(fd)

    def put_symlink(self, row: PlainRow) -> Decision:
        """Make a symlink; where it points to does not matter, nothing is written through it."""
        head, name = split_key(row.key)
        at = self.goal.folder(head)
        target = row.link or b""
        decision = self._decide_symlink(at, name, target)
        if decision is Decision.WRITE:
            temporary = self.goal.temporary_name()
            os.symlink(target, temporary, dir_fd=at)
            _rename(temporary, name, at)
        if decision is not Decision.KEEP:
            if self._root:
                os.chown(name, row.uid, row.gid, dir_fd=at, follow_symlinks=False)
            os.utime(name, ns=(row.mtime_ns, row.mtime_ns), dir_fd=at, follow_symlinks=False)
        return decision

    def _decide_symlink(self, at: int, name: bytes, target: bytes) -> Decision:
        try:
            mode = os.stat(name, dir_fd=at, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return Decision.WRITE
        if stat.S_ISDIR(mode):
            raise BlockedError("a folder stands where the symlink should go; it was left")
        if stat.S_ISLNK(mode) and os.readlink(name, dir_fd=at) == target:
            return Decision.UNCHANGED
        return Decision.KEEP if self.overwrite is Overwrite.NEVER else Decision.WRITE

    # -- metadata

    def set_meta(self, fd: int, row: Meta) -> None:
        """Owner (as root), xattrs, mode and mtime, in the order in which none undoes another."""
        mode = row.mode
        there = os.fstat(fd)
        if self._owner_differs(there, row):
            try:
                os.fchown(fd, row.uid, row.gid)
            except OSError:
                self.notes["the owner could not be set"] += 1
                mode &= ~_SET_ID
        elif mode & _SET_ID and (there.st_uid, there.st_gid) != (row.uid, row.gid):
            # Run by another user, a program must not get that user's rights.
            mode &= ~_SET_ID
        if row.xattrs is not None:
            self._set_xattrs(fd, row.xattrs)
        if stat.S_IMODE(there.st_mode) != mode or mode & _SET_ID:
            os.fchmod(fd, mode)
        if there.st_mtime_ns != row.mtime_ns:
            # Setting a time moves ctime, by which the next plan would take what is as it was for touched.
            os.utime(fd, ns=(row.mtime_ns, row.mtime_ns))

    def _owner_differs(self, there: os.stat_result, row: Meta) -> bool:
        return self._root and (there.st_uid, there.st_gid) != (row.uid, row.gid)

    def _set_xattrs(self, fd: int, blob: bytes) -> None:
        try:
            attributes = decode_xattrs(blob)
        except CatalogError:
            self.notes["extended attributes in the catalog could not be read"] += 1
            return
        for name, value in attributes.items():
            try:
                os.setxattr(fd, name, value)
            except OSError:
                self.notes["extended attributes could not be set"] += 1
                return


def write_at(fd: int, data: bytes, offset: int, *, sparse: bool) -> None:
    """Write all of `data` at `offset`; with `sparse`, blocks of zeros are left out, and become holes.

    Raises OSError. The caller sets the length of a sparse file, which may end in a hole.
    """
    view = memoryview(data)
    for start, end in _filled(view) if sparse else [(0, len(view))]:
        while start < end:
            start += os.pwrite(fd, view[start:end], offset + start)


def _filled(view: memoryview) -> Iterable[tuple[int, int]]:
    """The runs between blocks of zeros."""
    begin = -1
    for start in range(0, len(view), _BLOCK):
        block = view[start : start + _BLOCK]
        if block == _ZEROS[: len(block)]:
            if begin >= 0:
                yield begin, start
            begin = -1
        elif begin < 0:
            begin = start
    if begin >= 0:
        yield begin, len(view)


def _same_bytes(at: int, name: bytes, row: FileRow) -> bool:
    """Whether the file there has the recorded hash; one that cannot be read, or has none, has not."""
    if row.blake3 is None and row.md5 is None:
        return False
    hasher = Hasher(row)
    try:
        fd = os.open(name, _READ, dir_fd=at)
        with open(fd, "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                hasher.update(data)
        hasher.check()
    except (OSError, DamagedError):
        return False
    return True


def _same_file(one: tuple[int, bytes], other: tuple[int, bytes]) -> bool:
    try:
        first, second = (os.stat(name, dir_fd=at, follow_symlinks=False) for at, name in (one, other))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return os.path.samestat(first, second)


def _rename(temporary: bytes, name: bytes, at: int) -> None:
    try:
        os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
    except OSError:
        os.unlink(temporary, dir_fd=at)
        raise
