"""The directory target: objects are files below one folder, `PATH/<name>`.

An object appears under its name complete and synced, or not at all. The file system has no checksums of
files, so listings have "" there; the etag (inode, time and size) changes whenever a file is written or replaced.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from ...errors import ObjectMissing, TargetError
from ...records import StoredObject
from ..base import Buffer, Properties, Put, Stored, Tier
from .beneath import Beneath, open_to_read, sync
from .files import TEMPORARY, check_name, etag_of, read_range, stored, translated
from .listing import walk
from .lock import locked
from .naming import link_new, replace
from .place import Disk, absence
from .temporary import abort_upload, remove_strays, written


class DirectoryTarget:
    """Implements `targets.base.Target` in a folder, which the first write creates."""

    def __init__(self, path: str, device: int | None = None) -> None:
        self._root = os.path.realpath(path)
        self._disk = Disk(self._root, device)
        self._beneath = Beneath(self._root)
        self._ready = False
        self._opening = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {"path": self._root, "device": self._disk.device}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def path(self) -> str:
        return self._root

    @property
    def identity(self) -> str:
        return f"directory:{self._root}"

    @property
    def absence(self) -> str:
        return absence(self._root)

    @property
    def properties(self) -> Properties:
        return Properties()

    def divided(self, ways: int) -> DirectoryTarget:
        return self

    def grant(self, operation: str) -> str:
        return ""

    def put(
        self,
        name: str,
        data: Buffer,
        *,
        md5: bytes,
        condition: Put = Put.CREATE,
        etag: str = "",
        tier: Tier = Tier.JOB,
    ) -> Stored:
        self._prepare()
        check_name(name)
        size = memoryview(data).nbytes
        path = f"{self._root}/{name}"
        with (
            translated(f"storing {name}", path),
            self._beneath.parent(name, make=True) as (folder, _),
            self._beneath.folder(TEMPORARY) as kept,
            written(kept, data) as (temporary, status),
        ):
            if status.st_size != size:
                raise TargetError(f"storing {name}: {status.st_size} of {size} bytes arrived in {path}")
            if condition is Put.CREATE:
                link_new(self._beneath, kept, temporary, folder, name)
            else:
                replace(self._beneath, kept, temporary, folder, name, etag)
        return Stored(b64encode(md5).decode(), etag_of(status), size)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        with self._open(name) as file:
            if length is None:
                length = max(0, os.fstat(file.fileno()).st_size - offset)
            return read_range(file.fileno(), offset, length)

    def get_tail(self, name: str, length: int) -> tuple[bytes, int]:
        with self._open(name) as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, size - length)
            return read_range(file.fileno(), start, size - start), size

    def stat(self, name: str) -> StoredObject:
        check_name(name)
        path = f"{self._root}/{name}"
        with translated(f"looking at {name}", path), self._beneath.parent(name) as (folder, last):
            status = os.stat(last, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise ObjectMissing(f"{path} is not a file, so there is no object {name}")
        return stored(name, status)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        with translated("listing", self._root):
            self._disk.check()
        folder, _, _ = prefix.rpartition("/")
        if folder:
            check_name(folder)
        return walk(self._beneath, f"{folder}/" if folder else "", prefix)

    def delete(self, name: str) -> None:
        check_name(name)
        try:
            with translated(f"deleting {name}", f"{self._root}/{name}"), self._beneath.parent(name) as (folder, last):
                found = os.stat(last, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    # A folder is not an object.
                    return
                with locked(self._beneath):
                    os.unlink(last, dir_fd=folder)
                    sync(folder)
        except ObjectMissing:
            return

    def abort_upload(self, name: str, upload: str) -> None:
        abort_upload(self._beneath, upload)

    def restore_archived(self, name: str, hours: int) -> None:
        """Does nothing: objects here are never archived."""
        self.stat(name)

    def close(self) -> None:
        """Does nothing: there are no connections."""

    def _prepare(self) -> None:
        """Before a write: create the folders, check that they are on the same disk, and delete what dead writers
        left."""
        with self._opening, translated("opening the target for writing", self._root):
            self._disk.check()
            if not self._ready:
                with self._beneath.folder(TEMPORARY, make=True):
                    pass
                remove_strays(self._beneath, time.time())
                self._disk.check()
                self._ready = True

    def _open(self, name: str) -> _Reading:
        check_name(name)
        path = f"{self._root}/{name}"
        with translated(f"reading {name}", path), self._beneath.parent(name) as (folder, last):
            return _Reading(open_to_read(folder, last, path), path, name)


class _Reading:
    """An object opened for reading, as a context manager; OSErrors in it are translated."""

    def __init__(self, descriptor: int, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        os.close(self._descriptor)
        if isinstance(error, OSError):
            with translated(f"reading {self._name}", self._path):
                raise error
