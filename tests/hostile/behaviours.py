"""What a server that means harm answers. Each behaviour gets one request and the sound answer to it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Send = Callable[[bytes], None]
MIB = 1 << 20


@dataclass
class Exchange:
    """One request, the sound answer, and the way to the client. A behaviour sends bytes, or changes the answer."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    headers: dict[str, str]
    body: bytes
    send: Send
    count: int = 0
    """Requests so far."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Between requests."""

    @property
    def is_listing(self) -> bool:
        return self.method == "GET" and self.path.endswith("/o")

    @property
    def is_object(self) -> bool:
        return "/o/" in self.path

    @property
    def is_get(self) -> bool:
        return self.is_object and self.method == "GET"

    def raw(self, *pieces: bytes, pause: float = 0.0) -> None:
        for piece in pieces:
            self.send(piece)
            if pause:
                time.sleep(pause)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status, self.body = status, body
        self.headers = {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}

    def listing(self, change: Callable[[dict[str, Any]], None]) -> None:
        if self.is_listing:
            value = json.loads(self.body)
            change(value)
            self.body = json.dumps(value).encode()


Behaviour = Callable[[Exchange], None]
OK = b"HTTP/1.1 200 OK\r\n"


def status(number: int, code: str = "", **headers: str) -> Behaviour:
    body = json.dumps({"code": code, "message": "no"}).encode() if code else b""
    return lambda x: x.answer(number, body, **headers)


def raw(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    return lambda x: x.raw(*pieces, pause=pause)


def endless(start: bytes, piece: bytes, pause: float = 0.0, seconds: float = 60.0) -> Behaviour:
    def act(x: Exchange) -> None:
        x.send(start)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            x.send(piece)
            time.sleep(pause)

    return act


def on_get(change: Callable[[Exchange], None]) -> Behaviour:
    return lambda x: change(x) if x.is_get and x.status in (200, 206) else None


def on_head(change: Callable[[Exchange], None]) -> Behaviour:
    return lambda x: change(x) if x.is_object and x.method == "HEAD" and x.status == 200 else None


def body(change: Callable[[bytes], bytes]) -> Behaviour:
    def act(x: Exchange) -> None:
        x.body = change(x.body)
        x.headers.pop("content-md5", None)

    return on_get(act)


def items(change: Callable[[list[dict[str, Any]]], None]) -> Behaviour:
    return lambda x: x.listing(lambda value: change(value["objects"]))


def every(**fields: Any) -> Behaviour:
    return items(lambda found: [item.update(fields) for item in found] and None)


def planted(*lasts: str, size: int = 1) -> Behaviour:
    """More objects in the first lineage's folders, in every listing that would show them."""

    def act(x: Exchange) -> None:
        if not x.is_listing:
            return
        value = json.loads(x.body)
        found = value["objects"]
        if records := [item for item in found if "/records/" in item["name"]]:
            x.kept.setdefault("record", records[0])
        if pattern := x.kept.get("record"):
            start = pattern["name"].partition("/records/")[0]
            more = [{**pattern, "name": f"{start}/{last}", "size": size} for last in lasts]
            found += [item for item in more if item["name"].startswith(x.query.get("prefix", ""))]
            found.sort(key=lambda item: str(item["name"]))
        x.body = json.dumps(value).encode()

    return act


def ascending(x: Exchange) -> None:
    """Pages of one name, for ever."""
    if x.is_listing:
        number = x.kept["page"] = x.kept.get("page", 0) + 1
        name = f"{x.query.get('prefix', '')}{number:09d}"
        item = {"name": name, "size": 1, "md5": "", "etag": "e", "timeCreated": "2026-01-01T00:00:00.000Z"}
        x.body = json.dumps({"objects": [item], "nextStartWith": name + "0"}).encode()


def full_pages(x: Exchange) -> None:
    """The same, of pages as the service has them, with names that data objects of the first lineage could have."""
    if not x.is_listing or int(x.query.get("limit", "1000")) < 1000:
        return
    number = x.kept["page"] = x.kept.get("page", 0) + 1
    lineage = x.kept.setdefault("lineage", (json.loads(x.body)["objects"] or [{"name": "0" * 32}])[0]["name"])
    start = x.query.get("prefix", "")
    if not start.rstrip("/").endswith(("data", "records", "copies", "keys")):
        start = lineage.rpartition("/")[0].rpartition("/")[0] + "/data/"
    x.body = b'{"objects": [%s], "nextStartWith": "%s"}' % (
        b",".join(PAGED % (start.encode(), number, at) for at in range(1000)),
        b"%s%024x%08x" % (start.encode(), number, 1000),
    )


PAGED = (
    b'{"name": "%s%024x%08x", "size": 1, "md5": "1B2M2Y8AsgTpgAmY7PhCfg==", "etag": "e", '
    b'"timeCreated": "2026-01-01T00:00:00.000Z"}'
)


def circle(x: Exchange) -> None:
    def change(value: dict[str, Any]) -> None:
        value["nextStartWith"] = value["objects"][0]["name"] if value["objects"] else "a"

    x.listing(change)


def empty_pages(x: Exchange) -> None:
    if x.is_listing:
        number = x.kept["page"] = x.kept.get("page", 0) + 1
        x.body = json.dumps({"objects": [], "nextStartWith": f"{x.query.get('prefix', '')}{number:09d}"}).encode()


def swapped(x: Exchange) -> None:
    """Each object has the first one's bytes."""
    x.body = (x.kept.setdefault("body", x.body) * 2)[: len(x.body)]
    x.headers.pop("content-md5", None)


def other_range(x: Exchange) -> None:
    if "content-range" in x.headers:
        x.headers["content-range"] = f"bytes 5-{4 + len(x.body)}/{1 << 40}"


def whole(x: Exchange) -> None:
    x.status = 200
    x.headers.pop("content-range", None)


def longer(x: Exchange) -> None:
    x.body += bytes(5 * MIB)


def put_lies(x: Exchange) -> None:
    if x.method == "PUT":
        x.answer(200, b"", etag="e", opc_content_md5="AAAAAAAAAAAAAAAAAAAAAA==")


def put_is_lost(x: Exchange) -> None:
    """Says that it stored what it threw away: the upstream never sees it (see `THROWN`)."""


def no_newest(found: list[dict[str, Any]]) -> None:
    records = sorted(item["name"] for item in found if "/records/" in item["name"])
    found[:] = [item for item in found if item["name"] != (records or [""])[-1]]


def without(word: str) -> Behaviour:
    return items(lambda found: found.__setitem__(slice(None), [i for i in found if word not in i["name"]]))


CHUNKED = OK + b"transfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n"
LONG = b'{"code": "Odd", "message": "' + b"x" * 1000
BEHAVIOURS: dict[str, Behaviour] = {
    "empty answers": status(200),
    "a login page": lambda x: x.answer(200, b"<html>Log in</html>", content_type="text/html"),
    "500": status(500, "InternalServerError"),
    "503, come back in thirty years": status(503, "ServiceUnavailable", retry_after="1e9"),
    "503, come back at no number": status(503, "ServiceUnavailable", retry_after="nan"),
    "429": status(429, "TooManyRequests"),
    "401": status(401, "NotAuthenticated"),
    "401 and a wrong clock": status(401, "NotAuthenticated", date="Thu, 01 Jan 1970 00:00:00 GMT"),
    "403": status(403, "Forbidden"),
    "404 without a body": status(404),
    "404 for the bucket": status(404, "BucketNotFound"),
    "404 for objects": lambda x: x.answer(404, b'{"code": "ObjectNotFound"}') if x.is_object else None,
    "409 for ever": status(409, "ConcurrentObjectUpdate"),
    "412 for ever": status(412, "IfMatchFailed"),
    "416 for ever": status(416, "InvalidRange", content_range="bytes */99999999999999999999"),
    "redirect in a circle": lambda x: x.answer(302, b"", location=x.path),
    "redirect to another host": status(307, location="http://127.0.0.1:1/"),
    "closed at once": raw(),
    "a garbage status line": raw(b"\x00\xff\x1b[31m garbage\r\n\r\n"),
    "status 999": raw(b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"),
    "closed amid headers": raw(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "100 Continue without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "headers without end": endless(OK, b"x-a: b\r\n" * 1000),
    "one long header": endless(OK + b"x-a: ", b"b" * 65536),
    "headers, a byte a second": endless(b"", b"H", pause=1.0),
    "a body, a byte a second": endless(OK + b"content-length: 100000\r\n\r\n", b"x", pause=1.0),
    "a body without end": endless(OK + b"content-type: application/json\r\n\r\n", b"[" * 65536),
    "chunks without end": endless(CHUNKED, b"10000\r\n" + b"[" * 65536 + b"\r\n"),
    "chunks of garbage sizes": raw(CHUNKED, b"zz\r\nabc\r\n"),
    "a chunk of 2^60 bytes": endless(CHUNKED + b"1000000000000000\r\n", b"x" * 65536),
    "a length that is too large": raw(OK + b"content-length: 99999999\r\n\r\n{}"),
    "a length of 2^80": endless(OK + b"content-length: 1208925819614629174706176\r\n\r\n", b"x" * 65536),
    "a negative length": raw(OK + b"content-length: -5\r\n\r\n{}"),
    "a length that is no number": raw(OK + b"content-length: x\r\n\r\n{}"),
    "two lengths": raw(OK + b"content-length: 2\r\ncontent-length: 9\r\n\r\n{}"),
    "a gzip body": lambda x: x.headers.update({"content-encoding": "gzip"}),
    "an error text without end": endless(
        b"HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\n\r\n" + LONG, b"x" * 65536
    ),
    "an error text of control characters": lambda x: x.answer(
        400, json.dumps({"code": "\x1b[2J\r\n::error::", "message": "\x1b[31m\n##[error]" + "x" * 100_000}).encode()
    ),
    "JSON nested without end": lambda x: x.answer(200, b"[" * 5_000_000) if x.is_listing else None,
    "a listing that is a number": lambda x: x.answer(200, b"5") if x.is_listing else None,
    "a listing of nulls": items(lambda found: found.__setitem__(slice(None), [None] * 9)),  # type: ignore[call-overload]
    "a listing in a circle": circle,
    "a listing of empty pages": empty_pages,
    "a listing without end": ascending,
    "a listing without end, in full pages": full_pages,
    "a listing out of order": items(lambda found: found.reverse()),
    "names that were not asked for": every(name="../../etc/passwd"),
    "sizes below zero": every(size=-1),
    "sizes of 2^80": every(size=1 << 80),
    "sizes of a pebibyte": every(size=1 << 50),
    "times that are none": every(timeCreated="yesterday"),
    "all archived": every(storageTier="Archive", archivalState="Archived"),
    "other etags in each listing": items(lambda f: [i.update(etag=str(random.random())) for i in f] and None),
    "a record of the highest number": planted("records/9999999999999999"),
    "a thousand records that are none": planted(*(f"records/{n:016d}" for n in range(10**6, 10**6 + 1000))),
    "a copy of a pebibyte": planted("copies/" + "ab" * 16, size=1 << 50),
    "no records": without("/records/"),
    "no data": without("/data/"),
    "not the newest record": items(no_newest),
    "random bytes": body(lambda data: random.Random(1).randbytes(len(data))),
    "zeros": body(lambda data: bytes(len(data))),
    "a flipped bit": body(lambda data: data[:-1] + bytes([data[-1] ^ 1]) if data else data),
    "half of the bytes": body(lambda data: data[: len(data) // 2]),
    "no bytes": body(lambda data: b""),
    "another object's bytes": on_get(swapped),
    "another range": on_get(other_range),
    "the whole object for a range": on_get(whole),
    "more than was asked for": on_get(longer),
    "no etags": lambda x: x.headers.pop("etag", None) and None,
    "HEAD without anything": on_head(lambda x: x.headers.clear()),
    "HEAD with an odd length": on_head(lambda x: x.headers.update({"content-length": str(1 << 70)})),
    "a put that stored something else": put_lies,
    "a put that stored nothing": put_is_lost,
}
THROWN = {"a put that stored nothing"}
"""Behaviours whose puts never reach the sound server."""
