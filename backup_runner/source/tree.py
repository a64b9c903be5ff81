"""The sources of a job on disk: opens entries by their keys, however long their paths.

A source's own path may contain symlinks, which are followed once, when the tree is created. Below it, no symlink is
followed: swapping a folder for one, even briefly, has no effect. All methods raise OSError.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from ..beneath import STEP, open_beneath
from ..errors import OddFileError
from ..records import BIRTH_TIME
from .access import read_xattrs
from .births import read_birth

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK
_NOATIME: Final = getattr(os, "O_NOATIME", 0)


class Tree:
    """Finds entries by their keys; see `records` for what a key is."""

    def __init__(self, sources: Iterable[tuple[bytes, bytes]], *, births: bool = False) -> None:
        """`sources` are key and path of each source, as in `ScanSource`; `births`: birth times are attributes."""
        self._births = births
        roots = {key.rstrip(b"/"): os.path.realpath(path) for key, path in sources}
        # The longest first, because a source's key may be a prefix of another's.
        self._roots = sorted(roots.items(), key=lambda root: len(root[0]), reverse=True)

    def open(self, key: bytes) -> tuple[int, os.stat_result]:
        """Open a regular file for reading: its descriptor and status. Keeps access times, if allowed.

        Never blocks: anything other than a regular file (such as a FIFO) is rejected with EINVAL."""
        path = self._path(key)
        try:
            fd = open_beneath(path, _FILE | _NOATIME)
        except PermissionError as error:
            # O_NOATIME is for owners only (EPERM); others read without it.
            if error.errno != errno.EPERM:
                raise
            fd = open_beneath(path, _FILE)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise OddFileError(errno.EINVAL, "no longer a regular file", key)
        return fd, status

    def open_folder(self, key: bytes) -> int:
        """Open a directory for listing."""
        return open_beneath(self._path(key), _FOLDER)

    def status(self, key: bytes) -> os.stat_result:
        """The entry's own metadata."""
        with self._parent(key) as (parent, name):
            return os.stat(name, dir_fd=parent, follow_symlinks=False)

    def link(self, key: bytes) -> bytes:
        """The target of a symlink."""
        with self._parent(key) as (parent, name):
            return os.readlink(name, dir_fd=parent)

    def xattrs(self, key: bytes) -> dict[bytes, bytes]:
        """Attributes of a file, folder or symlink, as `xattrs_of` has them."""
        with self._parent(key) as (parent, name):
            # There is no call with a folder's descriptor and a name, but this path uses the descriptor.
            return self.xattrs_of(b"/proc/self/fd/%d/%b" % (parent, name))

    def xattrs_of(self, where: int | bytes) -> dict[bytes, bytes]:
        """Extended attributes of a descriptor or path, as `read_xattrs` has them, and the birth time if asked for."""
        found = read_xattrs(where)
        if self._births and (time_ns := read_birth(where)) is not None:
            found[BIRTH_TIME] = b"%d" % time_ns
        return found

    @contextmanager
    def _parent(self, key: bytes) -> Iterator[tuple[int, bytes]]:
        """An entry's parent folder, opened with O_PATH, and the entry's name in it."""
        folder, _, name = self._path(key).rpartition(b"/")
        parent = open_beneath(folder or b"/", STEP)
        try:
            yield parent, name or b"."
        finally:
            os.close(parent)

    def _path(self, key: bytes) -> bytes:
        """The path on disk, symlinks above the source resolved."""
        for prefix, real in self._roots:
            if not prefix or key == prefix or key.startswith(prefix + b"/"):
                rest = key[len(prefix) :].strip(b"/")
                return real.rstrip(b"/") + b"/" + rest if rest else real
        raise OddFileError(errno.ENOENT, "is not inside a source of the job", key)
