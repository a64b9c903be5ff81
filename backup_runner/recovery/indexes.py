"""The last resort: contents, names, modes and times from the objects' own indexes. They contain no history."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import orjson

from ..catalog import Catalog, history
from ..catalog.database import Store
from ..catalog.many import known_pieces
from ..catalog.rebuilding import FoundFile, FoundList, IndexFinds
from ..catalog.recording import Meta, NewVersion, Recorder
from ..catalog.storing import add_object, put_composed, put_content, put_placed
from ..container import Index, IndexEntry
from ..records import Composed, Digests, Extent, Kind, NewObject, Piece, Placed, pack_pieces, unpack_pieces

_SLASH = ord("/")
_AT_ONCE = 2000
_MODE = 0o600


class _Stretch(NamedTuple):
    """A part of a large content of suite 1, and where it is."""

    entry: IndexEntry
    extent: Extent


class Made:
    """Contents and versions from objects' indexes. A path that had several contents gets as many snapshots."""

    def __init__(self, cat: Catalog, store: Store) -> None:
        self._cat = cat
        self._store = store
        self._found = IndexFinds(cat)
        self._groups: dict[bytes, list[_Stretch]] = {}
        self.missing: list[str] = []

    def add(self, new: NewObject, index: Index) -> None:
        """Record an object and the contents that are complete in it; stretches wait for the rest of their group, and
        lists of pieces for all objects."""
        object_id = add_object(self._cat, self._store.id, new)
        whole: list[IndexEntry] = []
        for entry in index.entries:
            if entry.pieces is not None:
                self._add_list(object_id, entry)
            elif entry.group is not None:
                stretch = _Stretch(entry, Extent(object_id, entry.offset, entry.length))
                self._groups.setdefault(entry.group, []).append(stretch)
            elif entry.blake3 is not None:
                whole.append(entry)
        placed = [Placed(one.offset, one.size, one.blake3 or b"", one.md5) for one in whole]
        ids = put_placed(self._cat, self._store.id, object_id, placed)
        self._found.add_files(
            [
                _file(entry.path, content_id, entry)
                for entry, content_id in zip(whole, ids, strict=True)
                if entry.path is not None
            ]
        )

    def _add_list(self, object_id: int, entry: IndexEntry) -> None:
        packed = pack_pieces(Piece(*piece) for piece in entry.pieces or ())
        head = (entry.size, entry.blake3 or b"", entry.md5, packed, object_id, entry.path)
        self._found.add_list(FoundList(*head, entry.mode or _MODE, entry.mtime_ns or 0, self._found.next_number()))

    # -- when all objects were read

    def write(self, job: str) -> None:
        """Give each path its contents, as partial snapshots of this job."""
        for stretches in self._groups.values():
            self._join(stretches)
        for found in self._found.lists():
            self._compose(found)
        self._write_versions(job)
        self._found.close()

    def _join(self, stretches: list[_Stretch]) -> None:
        stretches.sort(key=lambda one: one.entry.at)
        last = stretches[-1].entry
        if last.blake3 is None or last.md5 is None or sum(one.entry.length for one in stretches) != last.size:
            self._lost(last.path, "some of its objects are missing")
            return
        digests = Digests(last.size, last.blake3, last.md5)
        content_id = history.find_content(self._cat, self._store.id, digests)
        if content_id is None:
            content_id = put_content(self._cat, self._store.id, digests, [one.extent for one in stretches])
        if last.path is not None:
            self._found.add_files([_file(last.path, content_id, last)])

    def _compose(self, found: FoundList) -> None:
        strong = {piece.blake3 for piece in unpack_pieces(found.pieces) if piece.blake3 is not None}
        absent = len(strong) - len(known_pieces(self._cat, self._store.id, strong))
        if absent:
            self._lost(found.key, f"{absent} of its pieces are missing")
            return
        item = Composed(found.size, found.blake3, found.md5, found.pieces)
        (content_id,) = put_composed(self._cat, self._store.id, [item], found.object_id)
        if found.key is not None:
            file = FoundFile(found.key, content_id, found.size, found.mode, found.mtime_ns)
            self._found.add_file_at(found.number, file)

    def _lost(self, key: bytes | None, why: str) -> None:
        name = key.decode("utf-8", "backslashreplace") if key else "a file"
        self.missing.append(f"{name}: {why}")

    def _write_versions(self, job: str) -> None:
        cat, store = self._cat, self._store
        rounds = self._found.rounds()
        if not rounds:
            return
        job_id = cat.job_id(store.id, job)
        if job_id is None:
            job_id = cat.add_job(store.id, job)
        now = time.time_ns()
        for number in range(rounds):
            plan_id = f"rebuilt-{secrets.token_hex(12)}"
            snapshot_id = cat.open_snapshot(
                job_id, scanned_ns=now + number, started_ns=now, plan_id=plan_id, scope="[]"
            )
            recorder = Recorder(cat, store.id, job_id, snapshot_id)
            if number == 0:
                self._put_folders(recorder, now)
            _put(recorder, (_version(file, now) for file in self._found.files(number, rounds, job_id)))
            totals = orjson.dumps({"files": history.count_files(cat, job_id, b""), "rebuilt": True}).decode()
            cat.finish_snapshot(snapshot_id, status="partial", finished_ns=now, totals=totals)

    def _put_folders(self, recorder: Recorder, now: int) -> None:
        """Parent folders of the files: indexes have none, and a restore creates only recorded ones."""
        meta = Meta(Kind.DIRECTORY, 0, now, now, 0o700, os.getuid(), os.getgid())
        absent = (
            key for key in _folders(self._found.keys())
            if history.open_version(self._cat, recorder.job_id, key) is None
        )  # fmt: skip
        _put(recorder, (NewVersion(key, meta, None) for key in absent))


def _put(recorder: Recorder, rows: Iterator[NewVersion]) -> None:
    while some := list(islice(rows, _AT_ONCE)):
        recorder.put_versions(some)


def _folders(keys: Iterable[bytes]) -> Iterator[bytes]:
    """The folders that sorted keys are in, each once."""
    last = b""
    for key in keys:
        for at, byte in enumerate(key):
            if byte == _SLASH and not last.startswith(key[: at + 1]):
                yield key[: at + 1]
        last = key


def _file(key: bytes, content_id: int, entry: IndexEntry) -> FoundFile:
    return FoundFile(key, content_id, entry.size, entry.mode or _MODE, entry.mtime_ns or 0)


def _version(file: FoundFile, now: int) -> NewVersion:
    meta = Meta(Kind.FILE, file.size, file.mtime_ns, now, file.mode, os.getuid(), os.getgid())
    return NewVersion(file.key, meta, file.content_id)
