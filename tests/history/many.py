"""A backup of very many small files without the files: real packs and records, and the rows that an apply writes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from blake3 import blake3

from backup_runner.catalog import Catalog
from backup_runner.catalog.database import Store
from backup_runner.catalog.recording import Meta, NewVersion, Recorder
from backup_runner.container import IndexEntry
from backup_runner.policy import StoringPolicy
from backup_runner.records import Kind, NewObject, Placed
from backup_runner.repository import commits as committing
from backup_runner.repository.packing import Builder, Room
from backup_runner.repository.session import Session
from tests.history.site import Site

PACK_CONTENTS = StoringPolicy().pack_contents
MODE, MTIME_NS = 0o644, 1_700_000_000_000_000_000


def fill(site: Site, files: int) -> None:
    """One complete snapshot with so many files of a few bytes, its record in the bucket."""
    site.apply()
    session = site.session()
    cat, store = session.need_catalog(), session.store()
    assert store is not None
    cat.conn.execute("PRAGMA synchronous = OFF")
    for start in range(0, files, PACK_CONTENTS):
        entries = list(_entries(range(start, min(files, start + PACK_CONTENTS))))
        with cat.transaction():
            _write(cat, store, _pack(session, store, entries), entries)
    committing.commit(cat, store, session.target, session.keys(store))
    session.close()


def _entries(numbers: range) -> Iterator[IndexEntry]:
    offset = 0
    for number in numbers:
        data = b"%d" % number
        path = b"%06d/%03d.txt" % divmod(number, 1000)
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        strong = blake3(data).digest()
        yield IndexEntry(len(data), md5, strong, offset, len(data), path=path, mode=MODE, mtime_ns=MTIME_NS)
        offset += len(data)


def _pack(session: Session, store: Store, entries: list[IndexEntry]) -> NewObject:
    builder = Builder(session.keys(store).sealing.data(), Room(1 << 20))
    for entry in entries:
        assert entry.path is not None
        folder, _, name = entry.path.removesuffix(b".txt").partition(b"/")
        builder.add(b"%d" % (int(folder) * 1000 + int(name)))
    builder.entries += entries
    return builder.finish().put(session.target)


def _write(cat: Catalog, store: Store, new: NewObject, entries: list[IndexEntry]) -> None:
    ((job_id, _),) = cat.jobs(store.id)
    recorder = Recorder(cat, store.id, job_id, cat.snapshots(job_id)[-1].id)
    placed = [Placed(entry.offset, entry.size, entry.blake3 or b"", entry.md5) for entry in entries]
    ids = recorder.record_pack(new, placed)
    owner = os.getuid(), os.getgid()
    recorder.put_versions(
        [
            NewVersion(entry.path or b"", Meta(Kind.FILE, entry.size, MTIME_NS, MTIME_NS, MODE, *owner), content_id)
            for entry, content_id in zip(entries, ids, strict=True)
        ]
    )
