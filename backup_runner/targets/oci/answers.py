"""Parses responses of the service: JSON, times, checksums, pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any, TypeVar

from ...errors import ChecksumMismatch, TransientError
from ...foreign import describe
from ...records import StoredObject

T = TypeVar("T")


def compare(stated: str | None, expected: str, what: str) -> None:
    """Raise ChecksumMismatch unless the service stored what was sent."""
    if stated != expected:
        raise ChecksumMismatch(
            f"{what}: the service reports MD5 {stated}, but {expected} was sent",
            hint="check proxies and this machine's memory",
        )


def as_dict(value: object) -> dict[str, Any]:
    """A JSON object. Raises TransientError: a response that cannot be read may be complete the next time."""
    if not isinstance(value, dict):
        raise TransientError("the response is not the expected JSON")
    return value


def as_list(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise TransientError("the response is not the expected JSON")
    return [as_dict(item) for item in value]


def json_time(text: str) -> float:
    """Seconds since the epoch of 2026-11-22T22:24:32.631Z (RFC 3339)."""
    return datetime.fromisoformat(text).timestamp()


def http_time(text: str) -> float:
    """Seconds since the epoch of an HTTP date (RFC 9110, section 5.6.7)."""
    return parsedate_to_datetime(text).timestamp()


@contextmanager
def readable() -> Iterator[None]:
    """Around the parsing of a response: one that is incomplete or malformed is requested again."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise TransientError(f"unexpected response ({describe(error)})") from None


def listed(item: dict[str, Any], prefix: str) -> StoredObject:
    """One object of a listing; `prefix` is removed from its name."""
    size = int(item["size"])
    if not str(item["name"]).startswith(prefix):
        raise ValueError("a name that was not asked for")
    if not 0 <= size < 1 << 53:
        raise ValueError("a size that no object has")
    return StoredObject(
        str(item["name"]).removeprefix(prefix),
        size,
        str(item.get("md5") or ""),
        str(item["etag"]),
        json_time(item["timeCreated"]),
        str(item.get("storageTier") or "Standard"),
        str(item.get("archivalState") or ""),
    )


def check_page(items: list[StoredObject], following: object, start: str, own: str, prefix: str) -> None:
    """Check that a page has the requested names in order, and that the next one begins after it. Raises ValueError."""
    names = [item.name for item in items]
    if any(not name.startswith(prefix) for name in names) or any(a >= b for a, b in pairwise(names)):
        raise ValueError("names that were not asked for, or in no order")
    if names and own + names[0] < start:
        raise ValueError("a page that begins before the place that was asked for")
    last = own + names[-1] if names else start
    if following is not None and (not isinstance(following, str) or following < last or following == start):
        raise ValueError("a next page that lies before this one")


def looked_at(name: str, headers: Any) -> StoredObject:
    """The object called `name` from the response to a HEAD request."""
    return StoredObject(
        name,
        int(headers["content-length"]),
        headers.get("opc-multipart-md5") or headers.get("content-md5") or "",
        headers["etag"],
        http_time(headers["last-modified"]),
        headers.get("storage-tier") or "Standard",
        headers.get("archival-state") or "",
    )
