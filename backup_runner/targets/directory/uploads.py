"""Multipart uploads of a directory target: `.uploads/<id>/` holds `meta`, `data` and an append-only `parts`.

A part is confirmed once its line in `parts` is on disk, which happens after its bytes are. A line that was
cut by a power failure does not parse and so confirms nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Iterator

import orjson

from ...errors import ObjectMissing, TargetError
from ..base import Buffer, Part, Parts, Stored
from ..checksums import multipart_checksum
from .beneath import Beneath, open_to_read, open_to_write, sync
from .files import TEMPORARY, UPLOADS, etag_of, read_range, translated, write_all
from .naming import link_new
from .temporary import remove_upload, temporary_name

_Placed = list[tuple[Part, int]]

_ID = re.compile(r"[0-9a-f]{32}\Z")
_LARGEST = 16 << 20
"""Bytes of `meta` or `parts`: 10,000 parts take 2 MB."""


class Uploads:
    """The unfinished uploads of a bucket's folder."""

    def __init__(self, beneath: Beneath) -> None:
        self._beneath = beneath

    def begin(self, name: str) -> str:
        upload = secrets.token_hex(16)
        # Under its name only when it says whose it is: what a kill leaves before that is a stray like others.
        new = temporary_name()
        with (
            translated("opening an upload", self._path(upload)),
            self._beneath.folder(TEMPORARY) as kept,
            self._beneath.folder(UPLOADS) as uploads,
        ):
            os.mkdir(new, 0o700, dir_fd=kept)
            with self._beneath.folder(f"{TEMPORARY}/{new}") as folder:
                self._append(folder, upload, "data", b"")
                self._append(folder, upload, "parts", b"")
                self._append(folder, upload, "meta", orjson.dumps({"name": name, "created": time.time()}))
                sync(folder)
            os.rename(new, upload, src_dir_fd=kept, dst_dir_fd=uploads)
            sync(uploads)
        return upload

    def put_part(self, name: str, upload: str, number: int, offset: int, data: Buffer, md5: bytes) -> Part:
        size = memoryview(data).nbytes
        etag = secrets.token_hex(8)
        line = {"number": number, "size": size, "md5": b64encode(md5).decode(), "etag": etag}
        again = any(part.number == number for part in self.list_parts(name, upload))
        with translated(f"storing part {number} of {name}", self._path(upload)), self._folder(name, upload) as folder:
            if again:
                # Its bytes are about to go: were we killed now, the old line must not vouch for them.
                self._append(folder, upload, "parts", _line({"number": number, "void": True}))
            with contextlib.closing(_Opened(open_to_write(folder, "data", f"{self._path(upload)}/data"))) as opened:
                write_all(opened.descriptor, data, offset)
                os.fdatasync(opened.descriptor)
            self._append(folder, upload, "parts", _line({**line, "offset": offset}))
        return Part(number, size, b64encode(md5).decode(), etag)

    def list_parts(self, name: str, upload: str) -> Parts:
        return [part for part, _ in self._lines(name, upload, writable=True)]

    def commit(self, name: str, upload: str, parts: Parts) -> Stored:
        size = self._check_parts(name, upload, parts)
        with (
            translated(f"committing {name}", f"{self._beneath.root}/{name}"),
            self._folder(name, upload) as folder,
            self._beneath.parent(name, make=True) as (final, last),
        ):
            if not _is_ours(folder, final, last, size):
                with contextlib.closing(_Opened(open_to_write(folder, "data", f"{self._path(upload)}/data"))) as opened:
                    os.ftruncate(opened.descriptor, size)
                    os.fsync(opened.descriptor)
                link_new(self._beneath, folder, "data", final, name)
            etag = etag_of(os.stat(last, dir_fd=final, follow_symlinks=False))
        self.abort(upload)
        return Stored(multipart_checksum(parts), etag, size)

    def abort(self, upload: str) -> None:
        if _ID.match(upload):
            with contextlib.suppress(OSError), self._beneath.folder(UPLOADS) as uploads:
                remove_upload(uploads, upload)

    def list(self) -> Iterator[tuple[str, str, float]]:
        try:
            with self._beneath.folder(UPLOADS) as uploads:
                names = sorted(name for name in os.listdir(uploads) if _ID.match(name))
        except FileNotFoundError:
            return
        for upload in names:
            meta = self._read_meta(upload)
            if meta is not None:
                yield meta[0], upload, meta[1]

    def _path(self, upload: str) -> str:
        return f"{self._beneath.root}/{UPLOADS}/{upload}"

    @contextlib.contextmanager
    def _folder(self, name: str, upload: str) -> Iterator[int]:
        meta = self._read_meta(upload) if _ID.match(upload) else None
        if meta is None or meta[0] != name:
            raise ObjectMissing(f"there is no unfinished upload {upload} of {name} in {self._beneath.root}")
        with self._beneath.folder(f"{UPLOADS}/{upload}") as folder:
            yield folder

    def _lines(self, name: str, upload: str, *, writable: bool = False) -> _Placed:
        """Confirmed parts with their offsets, by number; a later line of one number counts.

        With `writable`, an upload that no more can be written to (its data has an object's name already) is missing."""
        path = self._path(upload)
        with translated(f"reading the parts of {name}", path), self._folder(name, upload) as folder:
            if writable:
                os.close(open_to_write(folder, "data", f"{path}/data"))
            lines = _read(folder, "parts", path).split(b"\n")
        found: dict[int, tuple[Part, int]] = {}
        for line in lines:
            try:
                item = orjson.loads(line)
                if item.get("void"):
                    found.pop(item["number"], None)
                else:
                    part = Part(int(item["number"]), int(item["size"]), str(item["md5"]), str(item["etag"]))
                    found[part.number] = part, int(item["offset"])
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
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

    def _read_meta(self, upload: str) -> tuple[str, float] | None:
        try:
            with self._beneath.folder(f"{UPLOADS}/{upload}") as folder:
                meta = orjson.loads(_read(folder, "meta", self._path(upload)))
            return str(meta["name"]), float(meta["created"])
        except (OSError, TargetError, ValueError, KeyError, TypeError):
            return None

    def _append(self, folder: int, upload: str, name: str, data: bytes) -> None:
        flags = os.O_CREAT | os.O_APPEND
        descriptor = open_to_write(folder, name, f"{self._path(upload)}/{name}", flags)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Opened:
    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def close(self) -> None:
        os.close(self.descriptor)


def _read(folder: int, name: str, path: str) -> bytes:
    with contextlib.closing(_Opened(open_to_read(folder, name, f"{path}/{name}"))) as opened:
        return read_range(opened.descriptor, 0, _LARGEST)


def _is_ours(folder: int, final: int, last: str, size: int) -> bool:
    """A commit that was killed after it had named the object is taken up again."""
    try:
        there = os.stat(last, dir_fd=final, follow_symlinks=False)
    except FileNotFoundError:
        return False
    try:
        return os.path.samestat(os.stat("data", dir_fd=folder, follow_symlinks=False), there)
    except FileNotFoundError:
        return there.st_size == size


def _line(item: dict[str, object]) -> bytes:
    # A leading newline parts it from a line that a power failure cut.
    return b"\n" + orjson.dumps(item) + b"\n"
