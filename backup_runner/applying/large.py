"""Large files: one reader, sealing on threads, parts uploaded as they fill, resumed from the journal.

The hashes are of the very buffers that are sealed. Threads suffice: BLAKE3, MD5, zstd, AES and HMAC let go of
Python's lock for buffers of this size (two threads reach 1.97 times the speed of one).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from ..catalog import Catalog, journal
from ..catalog.history import pack_lengths, unpack_lengths
from ..catalog.journal import JournalPart, Upload
from ..catalog.recording import NewObject, finish_object
from ..container import SEGMENT_SIZE, IndexEntry, ObjectId, ObjectKind, new_header, open_header, parse_name
from ..container.keys import Keyring
from ..errors import ContainerError, Interrupted, ObjectMissing
from ..records import Extent, Flag
from ..repository.writer import ObjectWriter, SentPart
from ..source.access import read_changed
from ..source.reading import FileRead, metadata, settled
from ..source.times import kept_times
from ..source.tree import Tree
from ..targets.base import Part, Target
from .large_hashes import PartHashes, Sums

STRETCH = 1 << 30
"""Plaintext bytes of one object at most."""
_READ = SEGMENT_SIZE
_UPLOADS = 4


class _DiffersError(Exception):
    """What an earlier run sent is not what the file holds now."""


@dataclass
class LargeSetting:
    """What the lane works with; `stop` says that the run was interrupted."""

    tree: Tree
    cat: Catalog
    store_id: int
    job: str
    target: Target
    keyring: Keyring
    salt: bytes
    lineage: bytes
    tier_name: str
    workers: int
    stop: Callable[[], bool]
    advance: Callable[[int], None]


class LargeLane:
    """Stores one file after the other."""

    def __init__(self, setting: LargeSetting) -> None:
        self._s = setting
        self._sealer = ThreadPoolExecutor(setting.workers)
        self._uploader = ThreadPoolExecutor(_UPLOADS)
        # MD5 is the slowest of all that is done here, once over what is read and once over what is sealed.
        self._reading = ThreadPoolExecutor(1)
        self._sealed = ThreadPoolExecutor(1)
        self.stored_bytes = 0
        self.stored_objects = 0

    def close(self) -> None:
        for threads in (self._reading, self._sealer, self._sealed, self._uploader):
            threads.shutdown(cancel_futures=True)

    def store(self, key: bytes) -> tuple[FileRead, list[Extent], list[int]]:
        """Put a file's bytes into objects: what was read, where it lies, and the journal rows to drop then.

        Moved while it was read, it is read once more; moved again, it is kept as read and flagged.
        Raises OSError if it cannot be read, Interrupted when asked to stop."""
        fd, _ = self._s.tree.open(key)
        try:
            for last_try in (False, True):
                before, still = settled(fd, os.fstat(fd))
                extents, rows, sums, size = self._content(fd, key, before)
                after = os.fstat(fd)
                moved = not still or size != before.st_size or read_changed(before, after)
                if not moved or last_try:
                    break
            _, mtime_ns, ctime_ns, mode, uid, gid, flags, xattrs = metadata(after, fd)
            flags |= Flag.MOVED if moved else 0
            read = FileRead(
                size, mtime_ns, ctime_ns, mode, uid, gid, flags, xattrs, *sums.digests(), after.st_dev, after.st_ino,
            )  # fmt: skip
            return read, extents, rows
        finally:
            os.close(fd)

    def _content(self, fd: int, key: bytes, before: os.stat_result) -> tuple[list[Extent], list[int], Sums, int]:
        sums = Sums(self._reading)
        extents: list[Extent] = []
        rows: list[int] = []
        size = before.st_size
        # Stretches of one content carry a common group, so that recovery without a catalog can join them: the id of
        # the first one's object, which a run that goes on after a kill finds again.
        group = b""
        done = 0
        while done < size:
            stretch = _Stretch(self, fd, key, before, done, min(STRETCH, size - done), group)
            object_id, length, row = stretch.store(sums)
            if not group and size > STRETCH:
                group = stretch.group
                if stretch.anew:
                    # What earlier runs stored of the rest belongs to another group.
                    self._drop_rest(key, before)
            if length:
                extents.append(Extent(object_id, 0, length))
                rows.append(row)
            done += length
            if length < stretch.length:
                break
        return extents, rows, sums, done

    def _drop_rest(self, key: bytes, before: os.stat_result) -> None:
        s = self._s
        for row in journal.uploads(s.cat, s.store_id):
            if (row.job, row.key, row.size, row.mtime_ns) == (
                s.job,
                key,
                before.st_size,
                kept_times(before)[0],
            ) and row.at:
                if row.object_id is None:
                    s.target.abort_upload(row.name, row.upload)
                with s.cat.transaction():
                    journal.drop(s.cat, row.id)


class _Stretch:
    """One object's worth of a file."""

    def __init__(
        self, lane: LargeLane, fd: int, key: bytes, before: os.stat_result, at: int, length: int, group: bytes
    ) -> None:
        self._lane = lane
        self._s = lane._s
        self._fd = fd
        self._key = key
        self._before = before
        self._at = at
        self.length = length
        self.group = group
        """Shared by the stretches of a file; the first one sets it."""
        self.anew = True
        """Whether nothing of an earlier run was of use."""
        self._many = before.st_size > STRETCH
        self._row = 0
        self._hashes = PartHashes(0)

    def store(self, sums: Sums) -> tuple[int, int, int]:
        """(object id, bytes, journal row). `sums` goes on over the stretch's bytes."""
        s = self._s
        earlier = journal.find(
            s.cat, s.store_id, s.job, self._key, self._at, self._before.st_size, kept_times(self._before)[0]
        )
        if earlier is not None:
            tried = sums.copy()
            try:
                done = self._go_on(earlier, tried)
                self.anew = False
                sums.become(tried)
                return done
            except (_DiffersError, ObjectMissing, ContainerError):
                self._give_up(earlier)
        object_id = ObjectId.new(s.lineage, ObjectKind.DATA, os.urandom)
        header, keys = new_header(object_id, s.keyring, s.salt)
        if not self._at:
            self.group = object_id.id
        writer = self._writer(header, keys, "")
        return self._feed(writer, header, sums, 0)

    # -- going on from an earlier run

    def _go_on(self, earlier: Upload, sums: Sums) -> tuple[int, int, int]:
        self._row = earlier.id
        object_id = parse_name(earlier.name)
        assert object_id is not None
        if not self._at:
            self.group = object_id.id
        if earlier.object_id is not None:
            return self._stored_before(earlier, sums)
        s = self._s
        keys = open_header(earlier.header, object_id, s.keyring).keys
        there = {part.number: part for part in s.target.list_parts(earlier.name, earlier.upload)}
        writer = self._writer(earlier.header, keys, earlier.upload)
        done = 0
        for part in journal.parts(s.cat, earlier.id):
            found = there.get(part.number)
            if found is not None and found.md5 == part.md5:
                self._compare(part, sums)
                writer.skip(found, _sent(part))
            else:
                self._again(writer, part, sums)
            done += part.length
        return self._feed(writer, earlier.header, sums, done)

    def _stored_before(self, earlier: Upload, sums: Sums) -> tuple[int, int, int]:
        check = blake3()
        for chunk in self._chunks(0, self.length):
            check.update(chunk)
            sums.update(chunk)
        if check.digest() != earlier.blake3:
            raise _DiffersError
        assert earlier.object_id is not None
        return earlier.object_id, self.length, earlier.id

    def _compare(self, part: JournalPart, sums: Sums | None) -> None:
        check = blake3()
        for chunk in self._chunks(part.start, part.length):
            check.update(blake3(chunk).digest())
            if sums is not None:
                sums.update(chunk)
        if check.digest() != part.blake3:
            raise _DiffersError

    def _again(self, writer: ObjectWriter, part: JournalPart, sums: Sums) -> None:
        """Seal a part anew that never arrived; the same bytes, or the two could be mixed."""
        self._compare(part, None)
        self._hashes = PartHashes(part.start)
        for chunk in self._chunks(part.start, part.length):
            sums.update(chunk)
            self._hashes.add(chunk)
            writer.add(chunk)
        same = self._hashes.all() == part.blake3
        if same:
            # Other bytes under this object's keys must not go out, and a cut file gives no whole segments.
            writer.force_part()
            same = pack_lengths(writer.lengths[-len(part.sealed_lengths) // 4 :]) == part.sealed_lengths
        if not same:
            writer.settle()
            raise _DiffersError

    def _give_up(self, earlier: Upload) -> None:
        s = self._s
        if earlier.object_id is None:
            s.target.abort_upload(earlier.name, earlier.upload)
        with s.cat.transaction():
            journal.drop(s.cat, earlier.id)
        self._row = 0

    # -- new bytes

    def _writer(self, header: bytes, keys: Any, upload: str) -> ObjectWriter:
        s = self._s
        return ObjectWriter(
            s.target,
            header,
            keys,
            multipart=self.length > s.target.part_limit,
            tier_name=s.tier_name,
            sealer=self._lane._sealer,
            uploader=self._lane._uploader,
            hasher=self._lane._sealed,
            window=2 * s.workers + 2,
            upload=upload,
            on_begin=lambda upload: self._began(keys.object_id.name, upload, header),
            on_part=self._on_part,
            on_confirmed=self._on_confirmed,
        )

    def _feed(self, writer: ObjectWriter, header: bytes, sums: Sums, done: int) -> tuple[int, int, int]:
        s = self._s
        whole = blake3() if self._many else None
        if whole is not None and done:
            for chunk in self._chunks(0, done):
                whole.update(chunk)
        self._hashes = PartHashes(done)
        for chunk in self._chunks(done, self.length - done):
            if s.stop():
                writer.settle()
                raise Interrupted("interrupted; what was finished is recorded", hint="apply again to go on from here")
            sums.update(chunk)
            if whole is not None:
                whole.update(chunk)
            self._hashes.add(chunk)
            writer.add(chunk)
            writer.collect(_UPLOADS)
            s.advance(len(chunk))
            done += len(chunk)
        new = writer.finish([self._entry(sums, done)])
        return self._record(new, header, whole.digest() if whole is not None else None)

    def _entry(self, sums: Sums, length: int) -> IndexEntry:
        # A file that was cut meanwhile ends here.
        last = self._at + length >= self._before.st_size or length < self.length
        strong, weak = sums.digests() if last else (None, None)
        return IndexEntry(
            self._at + length if last else self._before.st_size,
            weak,
            strong,
            0,
            length,
            at=self._at,
            group=self.group if self._many else None,
            path=self._key,
            mode=self._before.st_mode & 0o7777,
            mtime_ns=kept_times(self._before)[0],
        )

    def _record(self, new: NewObject, header: bytes, strong: bytes | None) -> tuple[int, int, int]:
        s = self._s
        with s.cat.transaction():
            object_id = finish_object(s.cat, s.store_id, new)
            if self._row:
                journal.drop(s.cat, self._row)
            row = self._new_row(new.name, "", header, object_id, strong) if strong else 0
        self._lane.stored_bytes += new.size
        self._lane.stored_objects += 1
        return object_id, new.plain, row

    def _chunks(self, start: int, length: int) -> Any:
        at, end = self._at + start, self._at + start + length
        while at < end:
            wanted = min(_READ, end - at)
            chunk = os.pread(self._fd, wanted, at)
            while len(chunk) < wanted:
                more = os.pread(self._fd, wanted - len(chunk), at + len(chunk))
                if not more:
                    break
                chunk += more
            if not chunk:
                return
            yield chunk
            at += len(chunk)

    # -- journal

    def _began(self, name: str, upload: str, header: bytes) -> None:
        with self._s.cat.transaction():
            self._row = self._new_row(name, upload, header, None, None)

    def _new_row(self, name: str, upload: str, header: bytes, object_id: int | None, strong: bytes | None) -> int:
        before = self._before
        row = Upload(
            0, name, upload, header, self._s.job, self._key, self._at, before.st_size, kept_times(before)[0], object_id,
            strong,
        )  # fmt: skip
        return journal.begin(self._s.cat, self._s.store_id, row)

    def _on_part(self, sent: SentPart) -> None:
        strong = self._hashes.take(sent.start, len(sent.lengths))
        part = JournalPart(
            sent.number, sent.start, sent.length, strong, sent.offset, pack_lengths(sent.lengths), sent.md5, ""
        )
        with self._s.cat.transaction():
            journal.sent(self._s.cat, self._row, part)

    def _on_confirmed(self, part: Part) -> None:
        with self._s.cat.transaction():
            journal.confirmed(self._s.cat, self._row, part.number, part.etag)


def _sent(part: JournalPart) -> SentPart:
    return SentPart(
        part.number, part.start, part.length, part.sealed_offset, unpack_lengths(part.sealed_lengths), part.md5
    )
