"""A catalog of any size without its files: rows written straight, objects as holes, and a scan that finds just that.

`python -m tests.benchmarks.synthetic JOB ROWS` is `backup-runner plan JOB` with that scan in place of the disk's.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backup_runner.catalog import Catalog
from backup_runner.records import Entry, EntryFields, Kind
from backup_runner.targets.directory.files import etag_of

if TYPE_CHECKING:
    from .tools import Ours

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SIZE, _MTIME, _MODE = 8, 1_700_000_000_000_000_000, 0o644
_FOLDER_FILES, _PACK_FILES = 1000, 16_384
_FIRST_OBJECT = 1 << 20
_BATCH = 50_000


def entries(count: int) -> Iterator[Entry]:
    """Folders of a thousand files each, sorted by key, as a scan yields them."""
    uid, gid = os.getuid(), os.getgid()

    def entry(key: bytes, kind: Kind, number: int) -> Entry:
        is_file = kind == Kind.FILE
        mode = _MODE if is_file else 0o755
        size = _SIZE if is_file else 0
        return Entry(key, int(kind), size, _MTIME, _MTIME, mode, uid, gid, 1, number + 1000, 1, 8)

    yield entry(b"", Kind.DIRECTORY, 0)
    for number in range(count):
        head = b"%06d/" % (number // _FOLDER_FILES)
        if number % _FOLDER_FILES == 0:
            yield entry(head, Kind.DIRECTORY, number)
        yield entry(head + b"%03d.txt" % (number % _FOLDER_FILES), Kind.FILE, number)


def build(tool: Ours, count: int) -> None:
    """Make a store with an apply over an empty folder, then write rows and objects of `count` files."""
    measured = [*tool.commands("new"), "--override-guard", "min_files", "--override-guard", "source_empty"]
    tool.call(*measured[1:])
    cat = Catalog(f"{tool.site}/catalog.db", create=False)
    cat.conn.execute("PRAGMA synchronous = OFF")
    store = cat.stores()[0]
    ((job_id, _),) = cat.jobs(store.id)
    snapshot = cat.snapshots(job_id)[-1].id
    with cat.transaction() as conn:
        conn.execute("DELETE FROM version")
        conn.execute("DELETE FROM path")
        batch: list[Entry] = []
        written = 0
        for entry in entries(count):
            batch.append(entry)
            if len(batch) == _BATCH:
                written = _write(conn, batch, (store.id, job_id, snapshot), written)
                batch.clear()
        written = _write(conn, batch, (store.id, job_id, snapshot), written)
        conn.execute("DELETE FROM change")
        cat.finish_snapshot(
            snapshot,
            status="complete",
            finished_ns=time.time_ns(),
            totals=f'{{"files": {count}, "bytes": {8 * count}}}',
        )
    _objects(cat, store.id, store.lineage, tool.store, written)
    cat.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cat.close()


def _write(conn: Any, batch: list[Entry], ids: tuple[int, int, int], written: int) -> int:
    """Paths and versions of a batch, and contents of its files; returns how many contents there are now."""
    store_id, job_id, snapshot = ids
    first = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM path").fetchone()[0]
    conn.executemany(
        "INSERT INTO path (id, job_id, key) VALUES (?, ?, ?)",
        [(first + at, job_id, entry.key) for at, entry in enumerate(batch)],
    )
    contents, versions = [], []
    for at, entry in enumerate(batch):
        content_id = None
        if entry.kind == Kind.FILE:
            written += 1
            content_id = written
            pack, place = divmod(content_id - 1, _PACK_FILES)
            where = (_FIRST_OBJECT + pack, place * _SIZE)
            contents.append((content_id, store_id, *where, _SIZE, content_id.to_bytes(32, "big"), bytes(16)))
        versions.append((first + at, snapshot, *entry[1:8], content_id))
    conn.executemany(
        "INSERT INTO content (id, store_id, object_id, offset, size, blake3, md5) VALUES (?, ?, ?, ?, ?, ?, ?)",
        contents,
    )
    conn.executemany(
        "INSERT INTO version (path_id, first, kind, size, mtime_ns, ctime_ns, mode, uid, gid, content_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        versions,
    )
    return written


def _objects(cat: Catalog, store_id: int, lineage: str, bucket: str, contents: int) -> None:
    """Packs of the right size in the bucket, all holes; every content lies in one."""
    os.makedirs(f"{bucket}/{lineage}/data", exist_ok=True)
    with cat.transaction() as conn:
        conn.execute("PRAGMA defer_foreign_keys = ON")
        for number in range(-(-contents // _PACK_FILES)):
            name = f"{lineage}/data/{number:032x}"
            plain = _PACK_FILES * _SIZE
            with open(f"{bucket}/{name}", "wb") as file:
                file.truncate(plain)
            etag = etag_of(os.stat(f"{bucket}/{name}"))
            row = (_FIRST_OBJECT + number, store_id, name, plain, plain, "", etag, bytes(200), bytes(4), time.time_ns())
            conn.execute(
                "INSERT INTO object (id, store_id, name, size, plain, checksum, etag, header, segments, created_ns) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )


def main(job: str, count: int) -> int:
    """Plan with a scan of `entries`, in the scan's own process and through its pipe."""
    from backup_runner.__main__ import main as program
    from backup_runner.planning import scanning
    from backup_runner.source import process as scan_process

    def scan(sources: Any, options: Any, *, totals: Any, on_problem: Any) -> Iterator[list[EntryFields]]:
        batch: list[EntryFields] = []
        for entry in entries(count):
            batch.append(tuple(entry))
            if len(batch) == 2000:
                yield batch
                batch = []
        yield batch
        totals.files, totals.files_by_source = count, {sources[0].key.rstrip(b"/"): count}

    scan_process.scan_fields = scanning.scan_fields = scan
    sys.argv = ["backup-runner", "plan", job]
    return program() or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
