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
from typing import NamedTuple

from ..catalog.history import pack_lengths
from ..container import Index, IndexEntry, SealKeys, Stream, seal_index, seal_segment
from ..records import NewObject
from ..targets.base import Buffer, Part, Target, Tier

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


class _Closed(NamedTuple):
    """A part whose bytes are complete; `data` are they, the rest is as in `SentPart`."""

    number: int
    start: int
    length: int
    offset: int
    lengths: list[int]
    data: Buffer

    def sent(self, md5: bytes) -> SentPart:
        return SentPart(*self[:5], b64encode(md5).decode())


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
        hasher: Executor | None = None,
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
        self._hasher = hasher
        self._window = window
        self._upload = upload
        self._on_begin = on_begin
        self._on_part = on_part
        self._on_confirmed = on_confirmed
        self._held: bytes | bytearray = b""
        self._sealing: deque[Future[bytes]] = deque()
        self._ready = bytearray(header)
        self._md5 = hashlib.md5(header, usedforsecurity=False)
        self._part_lengths: list[int] = []
        self._part_start = 0
        self._taken = 0
        self._number = 0
        self._offset = 0
        self._finishing = False
        self._closing: deque[tuple[_Closed, Future[bytes]]] = deque()
        self._sending: deque[tuple[int, Future[Part]]] = deque()
        self._parts: list[Part] = []

    # -- feeding

    def add(self, data: bytes | memoryview) -> None:
        """Append plaintext. The newest full segment is held back, because only `finish` knows which is the last."""
        size = self.keys.segment_size
        if len(self._held) == size:
            self._flush_held()
        if not self._held and len(data) == size and isinstance(data, bytes):
            # Bytes never change; anything else is copied, because its owner may use it again.
            self._held = data
            return
        view = memoryview(data)
        while len(view):
            if len(self._held) == size:
                self._flush_held()
            if isinstance(self._held, bytes):
                self._held = bytearray(self._held)
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
        self._md5 = hashlib.md5(usedforsecurity=False)

    def force_part(self) -> None:
        """Close the part here, so that it covers the same stretch as in an earlier run."""
        self._flush_held()
        self._drain(0)
        if self._part_lengths:
            self._send()
        self._send_closed(0)

    def _flush_held(self) -> None:
        if self._held:
            # Given away, because a thread may seal it.
            held, self._held = self._held, b""
            self._seal(held, last=False)

    def _seal(self, plain: Buffer, *, last: bool) -> None:
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
        self._sum(sealed)
        if self._multipart and len(self._ready) >= PART and not self._finishing:
            self._send()

    # -- parts

    def _send(self) -> None:
        """Close the part. Its MD5 may take as long as sealing the next one, and is not waited for here."""
        data, self._ready = self._ready, bytearray()
        self._digest(data)
        if not self._upload:
            self._upload = self._target.begin_upload(self.keys.object_id.name, tier=self._tier)
            if self._on_begin:
                self._on_begin(self._upload)
        self._number += 1
        end = len(self.lengths) * self.keys.segment_size
        length = min(end, self.plain) - self._part_start
        closed = _Closed(self._number, self._part_start, length, self._offset, self._part_lengths, data)
        self._offset += len(data)
        self._part_start += length
        self._part_lengths = []
        self._closing.append((closed, self._summed(data)))
        self._send_closed(1)

    def _sum(self, data: Buffer) -> None:
        """Take the MD5 of what is ready, beside the rest where there is a thread for it."""
        if self._hasher is not None:
            self._hasher.submit(self._md5.update, data)

    def _summed(self, data: Buffer) -> Future[bytes]:
        """The MD5 of `data`, which is all that was ready."""
        if self._hasher is None:
            done: Future[bytes] = Future()
            done.set_result(hashlib.md5(data, usedforsecurity=False).digest())
            return done
        md5, self._md5 = self._md5, hashlib.md5(usedforsecurity=False)
        return self._hasher.submit(md5.digest)

    def _send_closed(self, leave: int) -> None:
        """Post closed parts, in order, until no more than `leave` of them wait for their MD5."""
        while self._closing and (len(self._closing) > leave or self._closing[0][1].done()):
            closed, md5 = self._closing.popleft()
            if self._on_part:
                self._on_part(closed.sent(md5.result()))
            self._post(closed.number, closed.offset, closed.data, md5.result())

    def _post(self, number: int, offset: int, data: Buffer, md5: bytes) -> None:
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
        held, self._held = self._held, b""
        self._seal(held, last=True)
        self._drain(0)
        tail = seal_index(self.keys, Index(self.plain, self.lengths, entries))
        data, self._ready = self._ready, bytearray()
        data += tail
        self._sum(tail)
        self._digest(data)
        md5 = self._summed(data).result()
        name = self.keys.object_id.name
        if not self._upload:
            stored = self._target.put(name, data, md5=md5, tier=self._tier)
            return self._new(stored.size, stored.checksum, stored.etag, None)
        self._send_closed(0)
        self._number += 1
        self._post(self._number, self._offset, data, md5)
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
        self._closing.clear()
        for future in self._sealing:
            future.cancel()
        self.collect(0)
