"""Limits for responses: how slow they may be, and how long those without objects.

A timeout between two bytes is not enough: a server that sends one byte per second never reaches it. So a minimum number
of bytes, headers included, must arrive during the time spent waiting.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

import oci
import urllib3

from ...errors import TransientError

WINDOW = 10.0
"""Seconds of waiting in which at least `LEAST` bytes must arrive, unless the response ends."""
LEAST = 4096
LARGEST = 16 << 20
"""Maximum bytes of a response that is not an object; a page of 1,000 names has a twentieth of it."""
_MOST_HEAD = 1 << 20
_REDIRECTS = range(300, 400)


class _Watched(io.RawIOBase):
    """A socket's incoming bytes, while they arrive fast enough."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.head_left: int | None = None
        """Bytes that may still arrive before the headers end; None afterwards."""
        self._waited, self._came = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        started = time.monotonic()
        count = self._raw.readinto(buffer)
        self._waited += time.monotonic() - started
        self._came += count or 0
        if self.head_left is not None:
            self.head_left -= count or 0
            if self.head_left < 0:
                raise OSError("the headers of the response do not end")
        if self._came >= LEAST:
            self._waited, self._came = 0.0, 0
        elif self._waited > WINDOW and count:
            raise TimeoutError(f"{self._came} bytes in {self._waited:.0f} s")
        return count

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._watched = _Watched(self.fp.detach())
        self.fp = io.BufferedReader(self._watched, 1 << 16)

    def begin(self) -> None:
        # A series of "100 Continue" could be endless, too.
        self._watched.head_left = _MOST_HEAD
        super().begin()
        self._watched.head_left = None


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _SecureConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class BoundedAdapter(oci.base_client.OCIHTTPAdapter):  # type: ignore[misc]
    """The SDK's adapter with these limits. Bodies of objects are limited by the code that reads ranges."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        response = super().send(request, *args, **options)
        if response.status_code in _REDIRECTS and response.status_code != 304:
            response.close()
            raise TransientError(
                f"the server answered with a redirect ({response.status_code}), which is not followed",
                hint="check target.endpoint; is there a portal that requires a login?",
            )
        if not options.get("stream") or response.status_code >= 300:
            _read(response)
        return response


def _read(response: Any) -> None:
    """Read the whole body, like requests, up to the limit."""
    if response.headers.get("content-encoding", "identity") != "identity":
        response.close()
        raise TransientError("the response is compressed, which was not requested")
    pieces, size = [], 0
    for piece in response.raw.stream(1 << 16, decode_content=False):
        size += len(piece)
        if size > LARGEST:
            response.close()
            raise TransientError(f"the response is longer than {LARGEST >> 20} MiB, the limit for this request")
        pieces.append(piece)
    response._content, response._content_consumed = b"".join(pieces), True
