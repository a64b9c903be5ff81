"""A worker's packs: one is being filled, others are being uploaded; each is reported when it is in the bucket."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from ..container import IndexEntry
from ..contents.cutting import FileCut
from ..foreign import describe
from ..policy import StoringPolicy
from ..records import NewObject, unpack_pieces
from ..repository.packing import Builder, Room, Sealed, Threads
from ..repository.sealing import Sealing
from ..source.reading import FileRead
from ..targets.base import Target
from ..workers.memory import give_back
from ..workers.pool import give_up, say
from .messages import Handed, Report

_REMOTE_PUTS = 2
"""Concurrent uploads of packs per worker."""
_SLACK = 2 << 20
"""Room of a pack beyond its limit, for the last content and the index."""
_TELL = 64 << 20
"""Bytes read after which progress is reported even if no pack is full."""


@dataclass
class _Open:
    """The next report."""

    builder: Builder | None = None
    placed: list[tuple[int, int, bytes, bytes | None]] = field(default_factory=list)
    composed: list[tuple[int, bytes, bytes | None, bytes]] = field(default_factory=list)
    files: list[tuple[int, tuple[object, ...]]] = field(default_factory=list)
    failed: list[tuple[int, int, str]] = field(default_factory=list)
    read: int = 0
    known: int = 0
    undone: tuple[int, int, int] = (0, 0, 0)

    def report(self, new: NewObject | None) -> Report:
        return Report(new, self.placed, self.composed, self.files, self.failed, self.read, self.known, self.undone)


class Packs:
    """Not for several threads at once."""

    def __init__(self, target: Target, sealing: Sealing, tier_name: str, policy: StoringPolicy) -> None:
        self._target = target
        self._sealing = sealing
        self._tier_name = tier_name
        self._policy = policy
        self._room = Room(policy.pack_bytes + _SLACK)
        self._open = _Open()
        self._puts = _REMOTE_PUTS if target.properties.remote else 1
        self._putting = ThreadPoolExecutor(self._puts)
        self._on_the_way: list[Future[None]] = []

    # -- contents

    def add_file(self, key: bytes, read: FileRead, data: memoryview) -> None:
        """A whole file's bytes."""
        self._add(data, read.blake3, read.md5, None, key, read)

    def add_piece(self, digest: bytes, data: memoryview, beside: Threads) -> None:
        self._add(data, digest, None, beside, None, None)

    def add_cut_file(self, key: bytes, read: FileRead, cut: FileCut) -> None:
        """Add the list of pieces of a large file; the pieces were added, or are known."""
        strong, weak, packed = cut.digests()
        self._open.composed.append((cut.size, strong, weak, packed))
        # The list goes into the index of the open pack, so that the file can be recovered from objects alone.
        pieces = unpack_pieces(packed)
        entry = IndexEntry(
            cut.size, weak, strong, 0, 0, path=key, mode=read.mode, mtime_ns=read.mtime_ns, pieces=pieces
        )
        self._builder().entries.append(entry)

    def _add(
        self, data: memoryview, digest: bytes, md5: bytes | None, beside: Threads | None, key: bytes | None,
        read: FileRead | None,
    ) -> None:  # fmt: skip
        pack = self._open
        size = len(data)
        builder = self._builder()
        offset = builder.add(data, beside)
        pack.placed.append((offset, size, digest, md5))
        mode, mtime_ns = (None, None) if read is None else (read.mode, read.mtime_ns)
        builder.entries.append(IndexEntry(size, md5, digest, offset, size, path=key, mode=mode, mtime_ns=mtime_ns))
        if builder.is_full(self._policy):
            self.put()

    def _builder(self) -> Builder:
        if self._open.builder is None:
            self._open.builder = Builder(self._sealing.data(), self._room)
        return self._open.builder

    # -- what is done

    def done(self, number: int, read: FileRead, *, known: bool = False) -> None:
        """A file whose data are all in packs, uploaded or not. `known`: a small one that needs no
        upload."""
        self._open.files.append((number, tuple(read)))
        self._open.read += read.size if read.size < self._policy.small else 0
        self._open.known += read.size if known else 0
        if len(self._open.files) >= self._policy.pack_contents:
            self.put()

    def fail(self, number: int, error: OSError) -> None:
        self._open.failed.append((number, error.errno or 0, describe(error)))

    def was_read(self, size: int, known: int) -> None:
        """This many bytes of a large file were read, and so many of them need no upload."""
        self._open.read += size
        self._open.known += known
        if self._open.read >= _TELL:
            said = _Open(read=self._open.read, known=self._open.known)
            self._open.read = self._open.known = 0
            say(said.report(None))

    def left_undone(self, pieces: int, size: int) -> None:
        """A large file that was interrupted: this much of it is in packs."""
        files, before, bytes_before = self._open.undone
        self._open.undone = files + 1, before + pieces, bytes_before + size

    # -- packs

    def put(self) -> None:
        """Close the pack and start its upload. Waits if the maximum number are being uploaded."""
        pack, self._open = self._open, _Open()
        if pack.builder is None:
            if pack.files or pack.failed or pack.read or pack.undone[0]:
                say(pack.report(None))
            return
        self._wait(self._puts - 1)
        sealed = pack.builder.finish()
        say(Handed(sealed.size))
        pack.builder = None
        self._on_the_way.append(self._putting.submit(self._put, sealed, pack))

    def flush(self) -> None:
        """Upload the open pack, and wait until all are in the bucket."""
        self.put()
        self._wait(0)
        self._room.clear()
        give_back()

    def _wait(self, leave: int) -> None:
        while len(self._on_the_way) > leave:
            self._on_the_way.pop(0).result()

    def _put(self, sealed: Sealed, pack: _Open) -> None:
        try:
            new = sealed.put(self._target, tier_name=self._tier_name)
        except BaseException as error:
            # This ends the run; other packs in the bucket are recorded.
            give_up(error)
            raise
        self._room.give_object(sealed.buffer)
        say(pack.report(new))
