"""Listings: pages, prefixes, delimiter, fields."""

from __future__ import annotations

import bisect

from .api import ApiError, Request, Response, json_response, timestamp
from .store import Store, Stored

_LAST = "\U0010ffff"
_PAGE = 1000


def list_objects(store: Store, request: Request) -> Response:
    request.need("OBJECT_INSPECT")
    query = request.query
    limit = _limit(query.get("limit", ""))
    delimiter = query.get("delimiter", "")
    if delimiter not in ("", "/"):
        raise ApiError(400, "InvalidParameter", "the delimiter can only be '/'")
    prefix = query.get("prefix", "")
    start = max(query.get("start", ""), prefix)
    if query.get("startAfter"):
        start = max(start, query["startAfter"] + "\0")
    fields = [field.strip() for field in query.get("fields", "name").split(",") if field.strip()]
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        names, prefixes, following = _page(bucket.names, prefix, start, query.get("end", ""), delimiter, limit)
        now = store.now()
        objects = [_summary(bucket.objects[name], fields, now) for name in names]
    body: dict[str, object] = {"objects": objects}
    if delimiter:
        body["prefixes"] = prefixes
    if following:
        body["nextStartWith"] = following
    return json_response(body)


def list_versions(store: Store, request: Request) -> Response:
    """Buckets here keep no versions; each object is its own latest one."""
    request.need("OBJECT_INSPECT")
    query = request.query
    limit = _limit(query.get("limit", ""))
    prefix = query.get("prefix", "")
    start = max(query.get("start", ""), query.get("page", ""), prefix)
    fields = ["name", "etag", "size", "md5", "timeCreated", "timeModified", "storageTier"]
    with store.lock:
        bucket = store.bucket(request.call.namespace, request.call.bucket)
        names, prefixes, following = _page(
            bucket.names, prefix, start, query.get("end", ""), query.get("delimiter", ""), limit
        )
        now = store.now()
        items = [
            {**_summary(bucket.objects[name], fields, now), "versionId": "null", "isDeleteMarker": False}
            for name in names
        ]
    headers = {"opc-next-page": following} if following else {}
    return json_response({"items": items, "prefixes": prefixes}, headers)


def _page(
    names: list[str], prefix: str, start: str, end: str, delimiter: str, limit: int
) -> tuple[list[str], list[str], str]:
    """Names and common prefixes of one page, together at most `limit`, and where the next one starts."""
    found: list[str] = []
    prefixes: list[str] = []
    place = bisect.bisect_left(names, start)
    while place < len(names):
        name = names[place]
        if not name.startswith(prefix) or (end and name >= end):
            break
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        group = name[: cut + 1] if cut >= 0 else ""
        if not (group and prefixes and prefixes[-1] == group) and len(found) + len(prefixes) >= limit:
            return found, prefixes, name
        if group:
            if not (prefixes and prefixes[-1] == group):
                prefixes.append(group)
            place = bisect.bisect_left(names, group + _LAST, place)
        else:
            found.append(name)
            place += 1
    return found, prefixes, ""


def _summary(item: Stored, fields: list[str], now: float) -> dict[str, object]:
    summary: dict[str, object] = {"name": item.name}
    for field in fields:
        match field:
            case "size":
                summary["size"] = item.size
            case "md5":
                summary["md5"] = item.checksum
            case "etag":
                summary["etag"] = item.etag
            case "timeCreated":
                summary["timeCreated"] = timestamp(item.created)
            case "timeModified":
                summary["timeModified"] = timestamp(item.modified)
            case "storageTier":
                summary["storageTier"] = item.tier
            case "archivalState":
                state = item.archival_state(now)
                if state:
                    summary["archivalState"] = state
            case "name":
                pass
            case _:
                raise ApiError(400, "InvalidParameter", f"no field is called '{field}'")
    return summary


def _limit(text: str) -> int:
    try:
        limit = int(text or _PAGE)
    except ValueError:
        limit = 0
    if limit < 1:
        raise ApiError(400, "InvalidLimit", f"the limit '{text}' is not a positive number")
    return min(limit, _PAGE)
