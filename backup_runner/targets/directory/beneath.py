"""Opens descriptors below a bucket's folder: every name is opened in its parent folder, and no symlink is followed.

Others may be able to write to the bucket's folder, so anything can be swapped at any time: checking a path
proves nothing about it later. Folders are opened one after the other with O_NOFOLLOW; names have few
components and never "..", so this guarantees the same as openat2 with RESOLVE_BENEATH, on every system.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from ...errors import ObjectMissing, TargetError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""O_NONBLOCK: without it, opening a FIFO would block."""


class Beneath:
    """The folder at `root` and what is below it. Descriptors are open only while they are used."""

    def __init__(self, root: str) -> None:
        self.root = root

    @contextlib.contextmanager
    def folder(self, path: str = "", *, make: bool = False) -> Iterator[int]:
        """The folder at `path` ("a/b", "" for the root). With `make`, missing ones are created and synced.

        Raises OSError, and TargetError if the path contains a symlink."""
        descriptor = self._open_root(make=make)
        try:
            way = self.root
            for name in path.split("/") if path else ():
                way = f"{way}/{name}"
                below = _open_folder(descriptor, name, way, make=make)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def parent(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder that the object called `name` is in, and the last part of its name."""
        path, _, last = name.rpartition("/")
        with self.folder(path, make=make) as folder:
            yield folder, last

    def _open_root(self, *, make: bool) -> int:
        if make and not os.path.isdir(self.root):
            os.makedirs(self.root, 0o700, exist_ok=True)
            above = os.open(os.path.dirname(self.root), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sync(above)
            finally:
                os.close(above)
        return os.open(self.root, _FOLDER)


def _open_folder(parent: int, name: str, path: str, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and _is_link(parent, name):
            raise TargetError(
                f"{path} is a symlink, which a directory target never follows",
                hint="replace it with a real folder, or set target.path to its destination",
            ) from None
        raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    sync(parent)
    return os.open(name, _FOLDER, dir_fd=parent)


def _is_link(parent: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def open_to_read(folder: int, name: str, path: str) -> int:
    """A regular file; anything else is not an object. Raises OSError, ObjectMissing."""
    try:
        descriptor = os.open(name, os.O_RDONLY | _FILE, dir_fd=folder)
    except OSError as error:
        # ENXIO: a socket.
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise ObjectMissing(f"{path} is not a file, so it is not an object") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ObjectMissing(f"{path} is not a file, so it is not an object")
    return descriptor


def sync(folder: int) -> None:
    """Sync the names in `folder`, if the file system supports it."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EROFS):
            raise
