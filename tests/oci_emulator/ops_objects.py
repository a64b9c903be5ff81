"""Objects: put, get, head, delete, and the conditions and checksums that go with them."""

from __future__ import annotations

import base64
import hashlib
import re

from .api import ApiError, Buffer, Request, Response, http_date, timestamp
from .ops_buckets import check_retention
from .store import Bucket, Store, Stored, read_pieces

TIERS = ("Standard", "InfrequentAccess", "Archive")
_KEPT = ("content-type", "content-language", "content-encoding", "content-disposition", "cache-control")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


def put_object(store: Store, request: Request) -> Response:
    name = request.call.name
    check_object_name(name)
    tier = check_tier(request.header("storage-tier") or "Standard")
    extra = check_body(request)
    with store.lock:
        store.bucket(request.call.namespace, request.call.bucket)
    piece = store.keep(request.body)
    now = store.now()
    checksum = base64.b64encode(request.md5).decode()
    item = Stored(name, [piece], piece.size, checksum, now, now, tier=tier, archived=now)
    item.headers = {**kept_headers(request), **extra}
    try:
        with store.lock:
            bucket = store.bucket(request.call.namespace, request.call.bucket)
            store_object(store, bucket, request, item)
    except ApiError:
        store.forget([piece])
        raise
    headers = {"opc-content-md5": checksum, "etag": item.etag, "version-id": item.etag, **extra}
    return Response(200, {**headers, "last-modified": http_date(now)})


def store_object(store: Store, bucket: Bucket, request: Request, item: Stored) -> None:
    """Conditions, rights, retention and the change itself; the caller holds the lock."""
    old = bucket.objects.get(item.name)
    check_conditions(request, old)
    request.need("OBJECT_CREATE" if old is None else "OBJECT_OVERWRITE")
    if old is not None:
        check_retention(store, bucket, old)
        item.created = old.created
    bucket.set(item)
    if old is not None:
        store.forget(old.pieces)


def get_object(store: Store, request: Request) -> Response:
    request.need("OBJECT_READ")
    with store.lock:
        item = store.bucket(request.call.namespace, request.call.bucket).find(request.call.name)
        check_conditions(request, item)
        state = item.archival_state(store.now())
        if state in ("Archived", "Restoring"):
            raise ApiError(409, "NotRestored", f"The object '{item.name}' is in Archive tier and not restored")
        headers = describe(item, store.now())
        start, length = wanted_range(request.header("range"), item.size)
        body = read_pieces(item.pieces, start, length)
    if request.header("range"):
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{item.size}"
        return Response(206, headers, body)
    return Response(200, headers, body)


def head_object(store: Store, request: Request) -> Response:
    try:
        request.need("OBJECT_INSPECT")
    except ApiError:
        request.need("OBJECT_READ")
    with store.lock:
        item = store.bucket(request.call.namespace, request.call.bucket).find(request.call.name)
        check_conditions(request, item)
        return Response(200, describe(item, store.now()), length=item.size)


def delete_object(store: Store, request: Request) -> Response:
    request.need("OBJECT_DELETE")
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        item = bucket.find(request.call.name)
        check_conditions(request, item)
        remove(store, bucket, item)
    return Response(204, {"last-modified": http_date(item.modified)})


def remove(store: Store, bucket: Bucket, item: Stored) -> None:
    check_retention(store, bucket, item)
    bucket.drop(item.name)
    store.forget(item.pieces)


def check_conditions(request: Request, item: Stored | None) -> None:
    """If-Match and If-None-Match; the caller holds the lock until it has acted on the answer."""
    match, none_match = request.header("if-match"), request.header("if-none-match")
    reading = request.method in ("GET", "HEAD")
    if match and (item is None or (match not in ("*", item.etag))):
        raise ApiError(412, "IfMatchFailed", "The If-Match header is set and the entity tag does not match")
    if none_match and item is not None and none_match in ("*", item.etag):
        if reading:
            raise ApiError(304, "NotModified", "not modified", {"etag": item.etag})
        raise ApiError(412, "IfNoneMatchFailed", "The If-None-Match header is set and the object exists")


def check_body(request: Request) -> dict[str, str]:
    """Compare what came with the checksums sent along; the extra ones are returned, to be kept."""
    sent = request.header("content-md5")
    if sent and sent != base64.b64encode(request.md5).decode():
        actual = base64.b64encode(request.md5).decode()
        raise ApiError(
            400,
            "UnmatchedContentMD5",
            f"The computed MD5 of the request body ({actual}) does not match the Content-MD5 header ({sent})",
        )
    found: dict[str, str] = {}
    for algorithm in ("crc32c", "sha256", "sha384"):
        stated = request.header(f"opc-content-{algorithm}")
        asked = request.header("opc-checksum-algorithm").lower() == algorithm
        if stated or asked:
            actual = _digest(algorithm, request.body)
            if stated and stated != actual:
                raise ApiError(
                    400,
                    f"UnmatchedContent{algorithm.upper()}",
                    f"The computed {algorithm} of the request body ({actual}) is not {stated}",
                )
            found[f"opc-content-{algorithm}"] = actual
    return found


def check_object_name(name: str) -> None:
    if not 1 <= len(name.encode()) <= 1024 or any(bad in name for bad in "\0\r\n"):
        raise ApiError(400, "InvalidObjectName", "The object name is empty, too long, or has NUL, CR or LF in it")


def check_tier(tier: str) -> str:
    if tier not in TIERS:
        raise ApiError(400, "InvalidStorageTier", f"The storage tier '{tier}' is none of {', '.join(TIERS)}")
    return tier


def kept_headers(request: Request) -> dict[str, str]:
    kept = {name: request.headers[name] for name in _KEPT if request.header(name)}
    kept.update((name, value) for name, value in request.headers.items() if name.startswith("opc-meta-"))
    return kept


def describe(item: Stored, now: float) -> dict[str, str]:
    """The headers of GET and HEAD."""
    checksum = "opc-multipart-md5" if "-" in item.checksum else "content-md5"
    headers = {
        "content-type": "application/octet-stream",
        "accept-ranges": "bytes",
        **item.headers,
        checksum: item.checksum,
        "etag": item.etag,
        # The service names a version even in buckets that keep none, and ocifs counts on it.
        "version-id": item.etag,
        "last-modified": http_date(item.modified),
        "storage-tier": item.tier,
    }
    state = item.archival_state(now)
    if state:
        headers["archival-state"] = state
    if state == "Restored":
        headers["time-of-archival"] = timestamp(item.ready_until)
    return headers


def wanted_range(header: str, size: int) -> tuple[int, int]:
    """Start and length of what a Range header (RFC 9110, one range only) asks of an object of `size` bytes."""
    if not header:
        return 0, size
    match = _RANGE.match(header)
    if match is None or match.group(1) == match.group(2) == "":
        raise ApiError(400, "InvalidRange", f"cannot read the range '{header}'")
    first, last = match.groups()
    if first == "":
        start = max(0, size - int(last))
        end = size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= end:
        raise ApiError(416, "InvalidRange", f"'{header}' is not in the object", {"content-range": f"bytes */{size}"})
    return start, end - start


def _digest(algorithm: str, body: Buffer) -> str:
    if algorithm == "crc32c":
        import crc32c

        return base64.b64encode(crc32c.crc32c(bytes(body)).to_bytes(4, "big")).decode()
    return base64.b64encode(hashlib.new(algorithm, body).digest()).decode()
