"""A worker process: reads files, finds out what is new, encrypts that into packs and uploads them.

Tasks are `FileTask` and `Flush`; each uploaded pack is announced by a `Report` (`messages`). Files are read into
reused memory: many small ones at a time, large ones window by window.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from blake3 import blake3

from ..catalog import Catalog, history
from ..catalog.many import known_pieces, usable_contents
from ..contents.cutting import Cutting, FileCut, StreamCut
from ..policy import StoringPolicy
from ..records import Digests, Flag
from ..repository.packing import Threads
from ..repository.sealing import Sealing
from ..source.access import read_changed
from ..source.output import Outputs
from ..source.reading import FileRead, metadata, read_small, steady
from ..source.tree import Tree
from ..targets.base import Target
from ..workers.claims import Claims
from .messages import Asked, FileTask, Flush
from .packs import Packs

_CHUNK = 1 << 20


@dataclass(frozen=True)
class WorkerSetting:
    """What workers need to know; inherited by fork."""

    tree: Tree
    target: Target
    sealing: Sealing
    tier_name: str
    policy: StoringPolicy
    claims: Claims
    catalog: str
    """Path of the catalog, which workers query for what is stored."""
    store_id: int
    seed: bytes
    threads: int
    """Number of threads that encrypt the pieces of a large file."""
    cuts: bool
    """Whether there may be files that are large enough to be cut."""
    outputs: Outputs = field(default_factory=Outputs)
    """Files that are not on disk."""


class Known:
    """What is in the bucket already, or about to be uploaded by some worker."""

    def __init__(self, setting: WorkerSetting) -> None:
        self._claims = setting.claims
        self._store_id = setting.store_id
        # A separate connection: SQLite connections must not be used on both sides of a fork.
        cat = Catalog(setting.catalog, create=False)
        # In a first backup, there is nothing to query; new contents are claimed.
        self._cat = cat if history.has_contents(cat, setting.store_id) else None
        self.uncut = history.uncut_sizes(cat, setting.store_id, setting.policy.small)
        """Sizes of large contents that earlier versions stored whole: files of these sizes are hashed before they are
        cut."""

    def new_files(self, reads: Sequence[FileRead], anew: Sequence[bool]) -> list[bool]:
        """For each small file, whether the caller must store its bytes."""
        stored: Collection[tuple[int, bytes]] = ()
        if self._cat is not None:
            asked = [Digests(r.size, r.blake3, b"") for r, forced in zip(reads, anew, strict=True) if not forced]
            stored = usable_contents(self._cat, self._store_id, asked)
        return self._claim(
            [r.blake3 for r in reads],
            [not forced and (r.size, r.blake3) in stored for r, forced in zip(reads, anew, strict=True)],
        )

    def new_pieces(self, digests: Sequence[bytes], *, anew: bool) -> list[bool]:
        """The same for the pieces of a large file."""
        stored: Collection[bytes] = ()
        if self._cat is not None and not anew and digests:
            stored = known_pieces(self._cat, self._store_id, digests)
        return self._claim(digests, [digest in stored for digest in digests])

    def new_whole(self, digests: Digests, *, anew: bool) -> bool:
        """Whether the caller must store the list of pieces of a large file."""
        return (anew or not self.has(digests)) and self._claims.claim([digests.blake3])[0]

    def has(self, digests: Digests) -> bool:
        """Whether a whole content is stored."""
        return self._cat is not None and bool(usable_contents(self._cat, self._store_id, [digests]))

    def _claim(self, digests: Sequence[bytes], stored: Sequence[bool]) -> list[bool]:
        claimed = iter(self._claims.claim([d for d, known in zip(digests, stored, strict=True) if not known]))
        return [not known and next(claimed) for known in stored]


class Worker:
    """Carries out the tasks of one process."""

    def __init__(self, setting: WorkerSetting) -> None:
        self._setting = setting
        self._known = Known(setting)
        self._packs = Packs(setting.target, setting.sealing, setting.tier_name, setting.policy)
        self._room = bytearray(setting.policy.batch_bytes + setting.policy.small)
        self._large: Large | None = None

    def __call__(self, task: FileTask | Flush) -> None:
        if isinstance(task, Flush):
            self._packs.flush()
            return
        small: list[tuple[Asked, FileRead, memoryview]] = []
        room = memoryview(self._room)
        for asked in task.files:
            if self._setting.claims.stopped:
                break
            try:
                if asked.key in self._setting.outputs.by_key:
                    self._of_large().store_output(asked)
                    continue
                found = self._read_small(asked.key, room)
                if found is None:
                    self._store_small(small)
                    small, room = [], memoryview(self._room)
                    self._of_large().store(asked)
                    continue
            except OSError as error:
                self._packs.fail(asked.number, error)
                continue
            small.append((asked, *found))
            if found[1].obj is self._room:
                room = room[len(found[1]) :]
        self._store_small(small)

    def _read_small(self, key: bytes, room: memoryview) -> tuple[FileRead, memoryview] | None:
        policy = self._setting.policy
        return read_small(self._setting.tree, key, policy.small, room, unsized=policy.unsized)

    def _store_small(self, files: list[tuple[Asked, FileRead, memoryview]]) -> None:
        new = self._known.new_files([read for _, read, _ in files], [asked.anew for asked, _, _ in files])
        for (asked, read, data), wanted in zip(files, new, strict=True):
            if wanted:
                self._packs.add_file(asked.key, read, data)
            self._packs.done(asked.number, read, known=not wanted)

    def _of_large(self) -> Large:
        if self._large is None:
            self._large = Large(self._setting, self._known, self._packs)
        return self._large


class _Reading(NamedTuple):
    """The result of reading a large file once; `cut` is None if it is already stored whole."""

    size: int
    blake3: bytes
    md5: bytes
    cut: FileCut | None


class Large:
    """Reads files and cuts them into pieces, with additional threads."""

    def __init__(self, setting: WorkerSetting, known: Known, packs: Packs) -> None:
        self._setting = setting
        self._known = known
        self._packs = packs
        # MD5 of the whole file is the slowest step and cannot be split.
        self._cutting = Cutting(setting.seed, setting.policy, ThreadPoolExecutor(1))
        self._threads = Threads(setting.threads)

    def store(self, asked: Asked) -> None:
        """A file that changes while it is read is read once more, and only what is new is stored; if it changes again,
        it is stored as read and flagged. Abandoned if workers are told to stop. Raises OSError if it cannot be read."""
        fd, status = self._setting.tree.open(asked.key)
        try:
            for last_try in (False, True):
                before, still = steady(fd, status)
                reading = self._read(fd, before, asked, again=last_try)
                if reading is None:
                    return
                after = os.fstat(fd)
                moved = not still or reading.size != before.st_size or read_changed(before, after)
                if not moved or last_try:
                    break
                status = after
            _, mtime_ns, ctime_ns, mode, uid, gid, flags, xattrs = metadata(after, fd, self._setting.tree)
        finally:
            os.close(fd)
        flags |= Flag.MOVED if moved else 0
        assert reading is not None
        size, strong, weak, cut = reading
        read = FileRead(
            size, mtime_ns, ctime_ns, mode, uid, gid, flags, xattrs, strong, weak, after.st_dev, after.st_ino
        )
        if cut is not None and cut.composed and self._known.new_whole(Digests(size, strong, weak), anew=asked.anew):
            self._packs.add_cut_file(asked.key, read, cut)
        self._packs.done(asked.number, read)

    def store_output(self, asked: Asked) -> None:
        """Store the output of a program, or standard input. Raises OddFileError if the program failed: then no file
        refers to its output, and the next prune deletes it. Abandoned if workers are told to stop."""
        claims = self._setting.claims
        with self._setting.outputs.open(asked.key, lambda: claims.stopped) as running:
            cut = StreamCut(self._cutting, running.read_into, asked.size)
            for pieces in cut.windows():
                self._take(cut, pieces, anew=asked.anew)
            running.finish()
            if running.interrupted:
                return
        strong, weak, _ = cut.digests()
        began, who = running.began_ns, (os.geteuid(), os.getegid())
        read = FileRead(cut.size, began, began, 0o600, *who, Flag.OUTPUT, None, strong, weak or b"", 0, 0)
        if cut.composed and self._known.new_whole(Digests(cut.size, strong, weak or b""), anew=asked.anew):
            self._packs.add_cut_file(asked.key, read, cut)
        self._packs.done(asked.number, read)

    def _read(self, fd: int, before: os.stat_result, asked: Asked, *, again: bool) -> _Reading | None:
        """Read once and store what is new; None if the run must stop."""
        if before.st_size in self._known.uncut and not asked.anew:
            strong = blake3()
            size = 0
            while chunk := os.pread(fd, _CHUNK, size):
                size += len(chunk)
                strong.update(chunk)
            digests = Digests(size, strong.digest(), b"")
            if self._known.has(digests):
                self._packs.was_read(size, 0 if again else size)
                return _Reading(*digests, None)
        cut = FileCut(self._cutting, fd, before)
        taken = done = 0
        for pieces in cut.windows():
            if self._setting.claims.stopped:
                self._packs.left_undone(taken, done)
                return None
            size, known = sum(map(len, pieces)), self._take(cut, pieces, anew=asked.anew)
            taken, done = taken + len(pieces), done + size
            self._packs.was_read(size, known - (size if again else 0))
        if not again:
            # Holes are not read.
            self._packs.was_read(0, cut.size - cut.read)
        strong_digest, weak, _ = cut.digests()
        return _Reading(cut.size, strong_digest, weak or b"", cut)

    def _take(self, cut: FileCut, pieces: Sequence[memoryview], *, anew: bool) -> int:
        """Store the new pieces of a window; returns the number of bytes that are not new."""
        digested = [(blake3(piece).digest(), piece) for piece in pieces]
        kept = [(digest, piece) for digest, piece in digested if cut.took(digest, len(piece))]
        new = self._known.new_pieces([digest for digest, _ in kept], anew=anew)
        known = sum(map(len, pieces))
        for (digest, piece), wanted in zip(kept, new, strict=True):
            if wanted:
                self._packs.add_piece(digest, piece, self._threads)
                known -= len(piece)
        return known
