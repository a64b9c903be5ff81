"""One object on its way into the bucket: plaintext in, sealed segments out, put whole or in parts as they fill.

Sealing and uploading run on executors where they are handed in (large files: the primitives let go of Python's
lock, so threads use all cores), and on the caller's thread otherwise (packs, records).
"""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass

from .catalog.history import pack_lengths
from .catalog.recording import NewObject
from .container import Index, IndexEntry, SealKeys, Stream, seal_index, seal_segment
from .targets.base import Buffer, Part, Target, Tier

PART = 16 << 20
"""A part is closed once it has at least so many sealed bytes."""


@dataclass(slots=True)
class SentPart:
    """A part on its way: `start` and `length` are its stretch of the plaintext, `offset` its place in the object."""

    number: int
    start: int
    length: int
    offset: int
    lengths: list[int]
    md5: str


class ObjectWriter:
    """Feed it with `add`, then `finish`. Not for use by several threads at once."""

    def __init__(
        self,
        target: Target,
        header: bytes,
        keys: SealKeys,
        *,
        multipart: bool,
        tier: Tier = Tier.JOB,
        tier_name: str = "Standard",
        sealer: Executor | None = None,
        uploader: Executor | None = None,
        window: int = 8,
        upload: str = "",
        on_begin: Callable[[str], None] | None = None,
        on_part: Callable[[SentPart], None] | None = None,
        on_confirmed: Callable[[Part], None] | None = None,
    ) -> None:
        self.keys = keys
        self.plain = 0
        self.lengths: list[int] = []
        self.digest = hashlib.sha256()
        """Over all sealed bytes of an object in Standard tier: a record's digest is in the next record."""
        self._target = target
        self._header = header
        self._multipart = multipart
        self._tier = tier
        self._tier_name = tier_name
        self._sealer = sealer
        self._uploader = uploader
        self._window = window
        self._upload = upload
        self._on_begin = on_begin
        self._on_part = on_part
        self._on_confirmed = on_confirmed
        self._held = bytearray()
        self._sealing: deque[Future[bytes]] = deque()
        self._ready = bytearray(header)
        self._part_lengths: list[int] = []
        self._part_start = 0
        self._taken = 0
        self._number = 0
        self._offset = 0
        self._finishing = False
        self._sending: deque[tuple[int, Future[Part]]] = deque()
        self._parts: list[Part] = []

    # -- feeding

    def add(self, data: bytes | memoryview) -> None:
        """Append plaintext. The newest full segment is held back, because only `finish` knows which is the last."""
        size = self.keys.segment_size
        view = memoryview(data)
        while len(view):
            if len(self._held) == size:
                self._seal(bytes(self._held), last=False)
                self._held.clear()
            room = size - len(self._held)
            self._held += view[:room]
            view = view[room:]

    def skip(self, part: Part, sent: SentPart) -> None:
        """A part that was confirmed in an earlier run stands for its stretch; nothing of it is sealed again."""
        assert not self._held
        assert not self._sealing
        self._number = part.number
        self._parts.append(part)
        self.lengths += sent.lengths
        self.plain = self._part_start = sent.start + sent.length
        self._taken = len(self.lengths)
        self._offset = sent.offset + part.size
        self._ready = bytearray()

    def force_part(self) -> None:
        """Close the part here, so that it covers the same stretch as in an earlier run."""
        self._flush_held()
        self._drain(0)
        if self._part_lengths:
            self._send()

    def _flush_held(self) -> None:
        if self._held:
            self._seal(bytes(self._held), last=False)
            self._held.clear()

    def _seal(self, plain: bytes, *, last: bool) -> None:
        number = self._taken + len(self._sealing)
        self.plain += len(plain)
        if self._sealer is None:
            self._take(seal_segment(self.keys, Stream.DATA, number, plain, last=last))
            return
        self._sealing.append(self._sealer.submit(seal_segment, self.keys, Stream.DATA, number, plain, last=last))
        self._drain(self._window)

    def _drain(self, leave: int) -> None:
        while len(self._sealing) > leave:
            self._take(self._sealing.popleft().result())

    def _take(self, sealed: bytes) -> None:
        self.lengths.append(len(sealed))
        self._part_lengths.append(len(sealed))
        self._taken += 1
        self._ready += sealed
        if self._multipart and len(self._ready) >= PART and not self._finishing:
            self._send()

    # -- parts

    def _send(self) -> None:
        data, self._ready = self._ready, bytearray()
        self._digest(data)
        if not self._upload:
            self._upload = self._target.begin_upload(self.keys.object_id.name, tier=self._tier)
            if self._on_begin:
                self._on_begin(self._upload)
        self._number += 1
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        end = len(self.lengths) * self.keys.segment_size
        sent = SentPart(
            self._number,
            self._part_start,
            min(end, self.plain) - self._part_start,
            self._offset,
            self._part_lengths,
            b64encode(md5).decode(),
        )
        if self._on_part:
            self._on_part(sent)
        self._post(data, md5)
        self._part_start += sent.length
        self._part_lengths = []

    def _post(self, data: Buffer, md5: bytes) -> None:
        number, offset = self._number, self._offset
        self._offset += len(data)
        if self._uploader is None:
            self._confirm(self._put_part(number, offset, data, md5))
            return
        self._sending.append((number, self._uploader.submit(self._put_part, number, offset, data, md5)))
        self.collect(2)

    def _put_part(self, number: int, offset: int, data: Buffer, md5: bytes) -> Part:
        return self._target.put_part(self.keys.object_id.name, self._upload, number, offset, data, md5=md5)

    def collect(self, leave: int) -> None:
        """Take in the answers of parts until no more than `leave` are on their way."""
        while self._sending and (len(self._sending) > leave or self._sending[0][1].done()):
            self._confirm(self._sending.popleft()[1].result())

    def _confirm(self, part: Part) -> None:
        self._parts.append(part)
        if self._on_confirmed:
            self._on_confirmed(part)

    def _digest(self, data: Buffer) -> None:
        if self._tier is Tier.STANDARD:
            self.digest.update(data)

    # -- ending

    def finish(self, entries: Sequence[IndexEntry] = ()) -> NewObject:
        """Seal what is left and the index, and see the object stored. Raises TargetError."""
        self._drain(0)
        # The last segment goes with the index: an interrupted upload then always has some of its stream left to do.
        self._finishing = True
        self._seal(bytes(self._held), last=True)
        self._held.clear()
        self._drain(0)
        tail = seal_index(self.keys, Index(self.plain, self.lengths, entries))
        data, self._ready = self._ready, bytearray()
        data += tail
        self._digest(data)
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        name = self.keys.object_id.name
        if not self._upload:
            stored = self._target.put(name, data, md5=md5, tier=self._tier)
            return self._new(stored.size, stored.checksum, stored.etag, None)
        self._number += 1
        self._post(data, md5)
        self.collect(0)
        self._parts.sort(key=lambda part: part.number)
        stored = self._target.commit_upload(name, self._upload, self._parts)
        sizes = ",".join(str(part.size) for part in self._parts)
        return self._new(stored.size, stored.checksum, stored.etag, sizes)

    def _new(self, size: int, checksum: str, etag: str, parts: str | None) -> NewObject:
        return NewObject(
            self.keys.object_id.name,
            size,
            self.plain,
            checksum,
            etag,
            parts,
            self._header,
            pack_lengths(self.lengths),
            self._tier_name,
            time.time_ns(),
        )

    def settle(self) -> None:
        """Wait for the parts on their way, so that a stopped run knows which ones are confirmed."""
        for future in self._sealing:
            future.cancel()
        self.collect(0)
