"""The directory target: objects are files below one folder, `PATH/<name>`.

An object appears under its name complete and synced, or not at all. The file system keeps no checksum of a
file, so listings say "" there; the etag (inode, time and size) moves whenever a file is written or replaced.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from ...errors import ConditionFailed, ObjectMissing, TargetError
from ...records import StoredObject
from ..base import Buffer, Part, Parts, Put, Stored, Tier
from .files import (
    PRIVATE,
    TEMPORARY,
    UPLOADS,
    check_name,
    etag_of,
    link_new,
    locate,
    locked,
    make_folders,
    read_range,
    remove_quietly,
    remove_strays,
    sync_folder,
    translated,
    write_temporary,
)
from .place import Place, absence
from .uploads import Uploads

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class DirectoryTarget:
    """Keeps the contract of `targets.base.Target` in a folder, which the first write creates."""

    def __init__(self, path: str, device: int | None = None) -> None:
        self._root = os.path.realpath(path)
        self._place = Place(self._root, device)
        self._uploads = Uploads(self._root)
        self._ready = False
        self._opening = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {"path": self._root, "device": self._place.device}

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
    def part_limit(self) -> int:
        return 64 << 20

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
        final = locate(self._root, name)
        size = memoryview(data).nbytes
        with translated(f"storing {name}", final):
            make_folders(self._root, os.path.dirname(final))
            temporary = write_temporary(self._root, data)
            try:
                status = os.stat(temporary)
                if status.st_size != size:
                    raise TargetError(f"storing {name}: {status.st_size} of {size} bytes arrived in {final}")
                if condition is Put.CREATE:
                    link_new(self._root, temporary, final, name)
                else:
                    self._replace(temporary, final, name, etag)
            finally:
                remove_quietly(temporary)
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
        path = locate(self._root, name)
        with translated(f"looking at {name}", path):
            status = os.stat(path, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise ObjectMissing(f"{path} is not a file, so there is no object {name}")
        return _stored(name, status)

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        with translated("listing", self._root):
            self._place.check()
        folder, _, _ = prefix.rpartition("/")
        if folder:
            check_name(folder)
            locate(self._root, f"{folder}/x")
        return self._walk(f"{folder}/" if folder else "", prefix)

    def delete(self, name: str) -> None:
        path = locate(self._root, name)
        if not os.path.lexists(path):
            return
        with translated(f"deleting {name}", path), locked(self._root):
            try:
                os.unlink(path)
            except FileNotFoundError:
                return
            sync_folder(os.path.dirname(path))

    def begin_upload(self, name: str, *, tier: Tier = Tier.JOB) -> str:
        self._prepare()
        locate(self._root, name)
        return self._uploads.begin(name)

    def put_part(self, name: str, upload: str, number: int, offset: int, data: Buffer, *, md5: bytes) -> Part:
        return self._uploads.put_part(name, upload, number, offset, data, md5)

    def list_parts(self, name: str, upload: str) -> Parts:
        return self._uploads.list_parts(name, upload)

    def commit_upload(self, name: str, upload: str, parts: Parts) -> Stored:
        self._prepare()
        return self._uploads.commit(name, upload, parts, locate(self._root, name))

    def abort_upload(self, name: str, upload: str) -> None:
        self._uploads.abort(upload)

    def list_uploads(self, prefix: str = "") -> Iterator[tuple[str, str, float]]:
        return (item for item in self._uploads.list() if item[0].startswith(prefix))

    def restore_archived(self, name: str, hours: int) -> None:
        """Nothing here is ever archived, so every object is readable already."""
        self.stat(name)

    def close(self) -> None:
        """No connection is held."""

    def _prepare(self) -> None:
        """Before a write: the folders are there, on the disk they were on, and what dead writers left is gone."""
        with self._opening, translated("opening the target for writing", self._root):
            self._place.check()
            if not self._ready:
                for folder in (TEMPORARY, UPLOADS):
                    make_folders(self._root, f"{self._root}/{folder}")
                remove_strays(self._root, time.time())
                self._place.check()
                self._ready = True

    def _replace(self, temporary: str, final: str, name: str, etag: str) -> None:
        with locked(self._root):
            try:
                current = etag_of(os.stat(final, follow_symlinks=False))
            except FileNotFoundError:
                current = ""
            if not current or current != etag:
                raise ConditionFailed(f"object {name} in {self._root} is not the version that was read")
            os.replace(temporary, final)
            sync_folder(os.path.dirname(final))

    def _open(self, name: str) -> _Reading:
        path = locate(self._root, name)
        with translated(f"reading {name}", path):
            return _Reading(path, name)

    def _walk(self, folder: str, prefix: str) -> Iterator[StoredObject]:
        """Depth first, a folder sorting as its name and "/", which gives whole names in order."""
        path = f"{self._root}/{folder}"
        found: list[tuple[str, os.DirEntry[str] | None]] = []
        try:
            with translated("listing", path), os.scandir(path) as entries:
                for entry in entries:
                    name = folder + entry.name
                    if not folder and entry.name in PRIVATE:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        found.append((f"{name}/", None))
                    elif entry.is_file(follow_symlinks=False):
                        found.append((name, entry))
        except ObjectMissing:
            return
        for name, file in sorted(found, key=lambda item: os.fsencode(item[0])):
            if file is None:
                if name.startswith(prefix) or prefix.startswith(name):
                    yield from self._walk(name, prefix)
            elif name.startswith(prefix):
                try:
                    yield _stored(name, file.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue


class _Reading:
    """An object opened for reading, as a context manager; OSErrors in it are translated."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._descriptor = os.open(path, _READ)

    def fileno(self) -> int:
        return self._descriptor

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        os.close(self._descriptor)
        if isinstance(error, OSError):
            with translated(f"reading {self._name}", self._path):
                raise error


def _stored(name: str, status: os.stat_result) -> StoredObject:
    return StoredObject(name, status.st_size, "", etag_of(status), status.st_mtime, "Standard", "")
