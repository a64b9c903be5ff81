"""The upload journal: which parts of which object the service has confirmed, so that a killed apply goes on.

A row stands for one stretch of one file. It goes when the content is recorded, or when the upload is given up.
"""

from __future__ import annotations

from typing import NamedTuple

from .database import Catalog


class Upload(NamedTuple):
    """An unfinished stretch: `at` and `size` are its place in the file and the file's size, bytes.

    With `object_id` set the object is stored and recorded; `blake3` is of its plaintext."""

    id: int
    name: str
    upload: str
    header: bytes
    job: str
    key: bytes
    at: int
    size: int
    mtime_ns: int
    object_id: int | None
    blake3: bytes | None


class JournalPart(NamedTuple):
    """A part that was sent. `etag` is "" until the service confirmed it; `lengths` are packed sealed lengths."""

    number: int
    start: int
    length: int
    blake3: bytes
    sealed_offset: int
    sealed_lengths: bytes
    md5: str
    etag: str


_UPLOAD = "id, name, upload, header, job, key, at, size, mtime_ns, object_id, blake3"


def find(cat: Catalog, store_id: int, job: str, key: bytes, at: int, size: int, mtime_ns: int) -> Upload | None:
    row = cat.conn.execute(
        f"SELECT {_UPLOAD} FROM upload WHERE store_id = ? AND job = ? AND key = ? AND at = ? AND size = ? "
        "AND mtime_ns = ? ORDER BY id DESC LIMIT 1",
        (store_id, job, key, at, size, mtime_ns),
    ).fetchone()
    return Upload(*row) if row else None


def uploads(cat: Catalog, store_id: int) -> list[Upload]:
    return [Upload(*row) for row in cat.conn.execute(f"SELECT {_UPLOAD} FROM upload WHERE store_id = ?", (store_id,))]


def begin(cat: Catalog, store_id: int, new: Upload) -> int:
    """Note a new upload; `new.id` is ignored. Returns its id."""
    cursor = cat.conn.execute(
        "INSERT INTO upload (store_id, name, upload, header, job, key, at, size, mtime_ns, object_id, blake3) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (store_id, *new[1:]),
    )
    return int(cursor.lastrowid or 0)


def sent(cat: Catalog, upload_id: int, part: JournalPart) -> None:
    """Note a part before it goes out."""
    cat.conn.execute("INSERT OR REPLACE INTO upload_part VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (upload_id, *part))


def confirmed(cat: Catalog, upload_id: int, number: int, etag: str) -> None:
    cat.conn.execute("UPDATE upload_part SET etag = ? WHERE upload_id = ? AND number = ?", (etag, upload_id, number))


def parts(cat: Catalog, upload_id: int) -> list[JournalPart]:
    rows = cat.conn.execute(
        "SELECT number, start, length, blake3, sealed_offset, sealed_lengths, md5, etag FROM upload_part "
        "WHERE upload_id = ? ORDER BY number",
        (upload_id,),
    )
    return [JournalPart(*row) for row in rows]


def drop(cat: Catalog, upload_id: int) -> None:
    cat.conn.execute("DELETE FROM upload WHERE id = ?", (upload_id,))
