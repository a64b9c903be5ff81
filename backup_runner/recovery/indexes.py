"""The last resort: contents, names, modes and times from the objects' own indexes. They hold no history."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass

import orjson

from ..catalog import Catalog, history
from ..catalog.database import Store
from ..catalog.recording import Meta, Recorder
from ..catalog.storing import add_object, put_content
from ..container import Index
from ..records import Digests, Extent, Kind, NewObject

_SLASH = ord("/")


@dataclass(slots=True)
class _Piece:
    size: int
    at: int
    length: int
    extent: Extent
    digests: Digests | None
    path: bytes | None
    mode: int
    mtime_ns: int


class Made:
    """Contents and versions made from objects' indexes. A path that had several contents gets as many snapshots."""

    def __init__(self, cat: Catalog, store: Store) -> None:
        self._cat = cat
        self._store = store
        self._groups: dict[bytes, list[_Piece]] = {}
        self._versions: dict[bytes, list[tuple[Meta, int]]] = {}
        self.missing: list[str] = []

    def add(self, new: NewObject, index: Index) -> None:
        """Record an object and the contents that it holds whole; stretches wait for the others of their group."""
        object_id = add_object(self._cat, self._store.id, new)
        for entry in index.entries:
            digests = None
            if entry.blake3 is not None and entry.md5 is not None:
                digests = Digests(entry.size, entry.blake3, entry.md5)
            extent = Extent(object_id, entry.offset, entry.length)
            piece = _Piece(
                entry.size,
                entry.at,
                entry.length,
                extent,
                digests,
                entry.path,
                entry.mode or 0o600,
                entry.mtime_ns or 0,
            )
            if entry.group is None:
                self._complete([piece])
            else:
                group = self._groups.setdefault(entry.group, [])
                group.append(piece)

    def _complete(self, pieces: list[_Piece]) -> None:
        pieces.sort(key=lambda piece: piece.at)
        last = pieces[-1]
        if last.digests is None or sum(piece.length for piece in pieces) != last.size:
            name = last.path.decode("utf-8", "backslashreplace") if last.path else "a file"
            self.missing.append(f"{name}: some of its objects are missing")
            return
        content_id = history.find_content(self._cat, self._store.id, last.digests)
        if content_id is None:
            content_id = put_content(self._cat, self._store.id, last.digests, [piece.extent for piece in pieces])
        if last.path is not None:
            now = time.time_ns()
            meta = Meta(Kind.FILE, last.size, last.mtime_ns, now, last.mode, os.getuid(), os.getgid())
            self._versions.setdefault(last.path, []).append((meta, content_id))

    def _put_folders(self, recorder: Recorder, now: int) -> None:
        """Folders on the way to the files: indexes tell none, and a restore makes only those that are recorded."""
        keys = {key[: at + 1] for key in self._versions for at, byte in enumerate(key) if byte == _SLASH}
        for key in sorted(keys):
            if history.open_version(self._cat, recorder.job_id, key) is None:
                recorder.put_version(key, Meta(Kind.DIRECTORY, 0, now, now, 0o700, os.getuid(), os.getgid()), None)

    def write(self, job: str) -> None:
        """Give each path its contents, as partial snapshots of this job."""
        for pieces in self._groups.values():
            self._complete(pieces)
        if not self._versions:
            return
        cat, store = self._cat, self._store
        job_id = cat.job_id(store.id, job)
        if job_id is None:
            job_id = cat.add_job(store.id, job)
        rounds = max(len(found) for found in self._versions.values())
        now = time.time_ns()
        for number in range(rounds):
            plan_id = f"rebuilt-{secrets.token_hex(12)}"
            snapshot_id = cat.open_snapshot(
                job_id, scanned_ns=now + number, started_ns=now, plan_id=plan_id, scope="[]"
            )
            recorder = Recorder(cat, store.id, job_id, snapshot_id)
            self._put_folders(recorder, now)
            for key, found in self._versions.items():
                # The newest content of a path belongs to the last of the snapshots.
                place = number - (rounds - len(found))
                known = history.open_version(cat, job_id, key)
                if place >= 0 and not (known is not None and known.content_id == found[place][1]):
                    recorder.put_version(key, found[place][0], found[place][1])
            totals = orjson.dumps({"files": history.count_files(cat, job_id, b""), "rebuilt": True}).decode()
            cat.finish_snapshot(snapshot_id, status="partial", finished_ns=now, totals=totals)
