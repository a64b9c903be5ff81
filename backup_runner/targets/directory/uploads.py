"""Multipart uploads of a directory target: `.uploads/<id>/` holds `meta`, `data` and an append-only `parts`.

A part is confirmed once its line in `parts` is on disk, which happens after its bytes are. A line that was
cut by a power failure does not parse and so confirms nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from base64 import b64encode
from collections.abc import Iterator

import orjson

from ...errors import ObjectMissing, TargetError
from ..base import Buffer, Part, Parts, Stored
from ..checksums import multipart_checksum
from .files import UPLOADS, etag_of, link_new, make_folders, sync_folder, temporary_name, translated, write_all

_Placed = list[tuple[Part, int]]

_ID = re.compile(r"[0-9a-f]{32}\Z")


class Uploads:
    """The unfinished uploads below `root`."""

    def __init__(self, root: str) -> None:
        self._root = root

    def begin(self, name: str) -> str:
        upload = secrets.token_hex(16)
        folder = f"{self._root}/{UPLOADS}/{upload}"
        # Under its name only when it says whose it is: what a kill leaves before that is a stray like others.
        new = temporary_name(self._root)
        with translated("opening an upload", folder):
            os.mkdir(new, 0o700)
            _append(f"{new}/data", b"")
            _append(f"{new}/parts", b"")
            _append(f"{new}/meta", orjson.dumps({"name": name, "created": time.time()}))
            sync_folder(new)
            os.rename(new, folder)
            sync_folder(os.path.dirname(folder))
        return upload

    def put_part(self, name: str, upload: str, number: int, offset: int, data: Buffer, md5: bytes) -> Part:
        folder = self._folder(name, upload)
        size = memoryview(data).nbytes
        etag = secrets.token_hex(8)
        line = {"number": number, "size": size, "md5": b64encode(md5).decode(), "etag": etag}
        with translated(f"storing part {number} of {name}", folder):
            if any(part.number == number for part in self.list_parts(name, upload)):
                # Its bytes are about to go: were we killed now, the old line must not vouch for them.
                _append(f"{folder}/parts", _line({"number": number, "void": True}))
            descriptor = os.open(f"{folder}/data", os.O_WRONLY | os.O_CLOEXEC)
            try:
                write_all(descriptor, data, offset)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            _append(f"{folder}/parts", _line({**line, "offset": offset}))
        return Part(number, size, b64encode(md5).decode(), etag)

    def list_parts(self, name: str, upload: str) -> Parts:
        return [part for part, _ in self._lines(name, upload)]

    def commit(self, name: str, upload: str, parts: Parts, final: str) -> Stored:
        folder = self._folder(name, upload)
        size = self._check_parts(name, upload, parts)
        data = f"{folder}/data"
        with translated(f"committing {name}", final):
            make_folders(self._root, os.path.dirname(final))
            if not _is_ours(data, final, size):
                with contextlib.closing(_Opened(data)) as opened:
                    os.ftruncate(opened.descriptor, size)
                    os.fsync(opened.descriptor)
                link_new(self._root, data, final, name)
            etag = etag_of(os.stat(final, follow_symlinks=False))
        shutil.rmtree(folder, ignore_errors=True)
        return Stored(multipart_checksum(parts), etag, size)

    def abort(self, upload: str) -> None:
        if _ID.match(upload):
            shutil.rmtree(f"{self._root}/{UPLOADS}/{upload}", ignore_errors=True)

    def list(self) -> Iterator[tuple[str, str, float]]:
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{self._root}/{UPLOADS}") as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                meta = _read_meta(entry.path)
                if meta is not None:
                    yield meta[0], entry.name, meta[1]

    def _folder(self, name: str, upload: str) -> str:
        folder = f"{self._root}/{UPLOADS}/{upload}"
        meta = _read_meta(folder) if _ID.match(upload) else None
        if meta is None or meta[0] != name:
            raise ObjectMissing(f"there is no unfinished upload {upload} of {name} in {self._root}")
        return folder

    def _lines(self, name: str, upload: str) -> _Placed:
        """Confirmed parts with their offsets, by number; a later line of one number counts."""
        folder = self._folder(name, upload)
        with translated(f"reading the parts of {name}", folder), open(f"{folder}/parts", "rb") as file:
            lines = file.read().split(b"\n")
        found: dict[int, tuple[Part, int]] = {}
        for line in lines:
            try:
                item = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if item.get("void"):
                found.pop(item["number"], None)
            else:
                part = Part(item["number"], item["size"], item["md5"], item["etag"])
                found[part.number] = part, item["offset"]
        return [found[number] for number in sorted(found)]

    def _check_parts(self, name: str, upload: str, parts: Parts) -> int:
        """The object's size, once `parts` are the confirmed ones and cover it without gap or overlap."""
        confirmed = {part.number: (part, offset) for part, offset in self._lines(name, upload)}
        size = 0
        for part in sorted(parts, key=lambda part: part.number):
            known, offset = confirmed.get(part.number, (None, 0))
            if known is None or known.etag != part.etag or offset != size:
                raise TargetError(f"part {part.number} of upload {upload} of {name} is not what was stored")
            size += part.size
        if not parts:
            raise TargetError(f"upload {upload} of {name} has no parts to commit")
        return size


class _Opened:
    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self.descriptor)


def _is_ours(data: str, final: str, size: int) -> bool:
    """A commit that was killed after it had named the object is taken up again."""
    try:
        there = os.stat(final, follow_symlinks=False)
    except FileNotFoundError:
        return False
    try:
        return os.path.samestat(os.stat(data), there)
    except FileNotFoundError:
        return there.st_size == size


def _read_meta(folder: str) -> tuple[str, float] | None:
    try:
        with open(f"{folder}/meta", "rb") as file:
            meta = orjson.loads(file.read())
        return str(meta["name"]), float(meta["created"])
    except (OSError, orjson.JSONDecodeError, KeyError):
        return None


def _line(item: dict[str, object]) -> bytes:
    # A leading newline parts it from a line that a power failure cut.
    return b"\n" + orjson.dumps(item) + b"\n"


def _append(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
