"""Reading an object's bytes over as many connections as it takes."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import md5
from typing import Any

from ...errors import ChecksumMismatch, ConditionFailed, TransientError
from ..limits import Rate
from .answers import readable
from .errors import SDK_ERRORS, Doing

_CHUNK = 256 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")


class Reading:
    """Reads one stretch of an object over as many connections as it takes.

    `offset` below zero counts from the end. `fetch(client, range, etag)` starts a GET.
    """

    def __init__(
        self, offset: int, length: int | None, fetch: Callable[[Any, str | None, str | None], Any], rate: Rate
    ) -> None:
        self._offset, self._length = offset, length
        self._fetch, self._rate = fetch, rate
        self._etag: str | None = None
        self.chunks: list[bytes] = []
        self.have = 0
        self.size = 0
        """Of the whole object, once known."""

    def attempt(self, client: Any) -> None:
        """Continue where the last attempt stopped."""
        try:
            answer = self._fetch(client, self._range(), self._etag)
        except SDK_ERRORS as error:
            self._past_end(error)
            return
        with readable():
            start, length = self._expect(answer)
            etag = answer.headers["etag"]
        if self._offset < 0:
            # Now that the end is known, a retry can continue from a fixed position.
            self._offset, self._length = start, length
        self._etag = etag
        stop = self.have + length
        for chunk in answer.data.raw.stream(_CHUNK, decode_content=False):
            if self.have + len(chunk) > stop:
                raise TransientError(f"the response continues after {length} bytes")
            self._rate.take(len(chunk))
            self.chunks.append(chunk)
            self.have += len(chunk)
        if self.have != stop:
            raise TransientError(f"the response ended after {self.have} of {stop} bytes")
        self._compare(answer.headers)

    def restart(self) -> None:
        """Discard what was read: it belongs to another version of the object, or is damaged."""
        self.chunks, self.have, self._etag = [], 0, None

    def _range(self) -> str | None:
        if self._offset < 0:
            return f"bytes={self._offset}"
        first = self._offset + self.have
        if self._length is not None:
            return f"bytes={first}-{self._offset + self._length - 1}"
        return f"bytes={first}-" if first else None

    def _expect(self, answer: Any) -> tuple[int, int]:
        """Start and length of the bytes in this response."""
        length = int(answer.headers["content-length"])
        match = _CONTENT_RANGE.match(answer.headers.get("content-range") or "")
        if match is None:
            if self._range() is not None:
                raise TransientError("the service did not return the requested range")
            self.size = length
            return 0, length
        start, self.size = int(match.group(1)), int(match.group(3))
        asked = -self._offset if self._offset < 0 else None if self._length is None else self._length - self.have
        if length < 0 or (asked is not None and length > asked):
            raise TransientError(f"the service returned {length} bytes, but {asked} were requested")
        if self._offset >= 0 and start != self._offset + self.have:
            raise TransientError("the service returned another range than requested")
        return start, length

    def _past_end(self, error: BaseException) -> None:
        """416: the range is outside the object, so there is nothing to read."""
        if getattr(error, "status", None) != 416:
            raise error
        stated = re.search(r"/(\d+)\Z", error.headers.get("content-range") or "")  # type: ignore[attr-defined]
        self.size = int(stated.group(1)) if stated else 0

    def _compare(self, headers: Any) -> None:
        """A whole object is compared with its MD5; ranges are checked by the container's MAC."""
        stated = headers.get("content-md5")
        if not stated or self.have != self.size:
            return
        digest = md5(usedforsecurity=False)
        for chunk in self.chunks:
            digest.update(chunk)
        if b64encode(digest.digest()).decode() != stated:
            self.restart()
            raise ChecksumMismatch("the data read does not match the checksum of the service")


def read(call: Callable[..., Any], doing: Doing, reading: Reading) -> tuple[bytes, int]:
    """The bytes, and the whole object's size."""

    def act(client: Any) -> None:
        reading.attempt(client)

    try:
        call(doing, act, progress=lambda: reading.have)
    except ConditionFailed:
        # Replaced while it was read.
        reading.restart()
        call(doing, act, progress=lambda: reading.have)
    return b"".join(reading.chunks), reading.size
