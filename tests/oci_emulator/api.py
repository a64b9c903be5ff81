"""Requests, responses and errors as the handlers see them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .policy import Policy

Buffer = bytes | bytearray | memoryview


class ApiError(Exception):
    """An answer of the service that is not a success: HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


@dataclass(slots=True)
class Call:
    """Which operation a request means, found from method and path alone."""

    operation: str
    namespace: str = ""
    bucket: str = ""
    name: str = ""
    """Object name, work request id, rule id; whatever stands last in the path."""


@dataclass(slots=True)
class Request:
    method: str
    target: str
    """The request line's target, byte for byte: what is signed."""
    query: dict[str, str]
    headers: dict[str, str]
    call: Call
    body: Buffer = b""
    md5: bytes = b""
    """Of the body; only computed for objects and parts."""
    user: str = ""
    denied: frozenset[str] = frozenset()
    """Permissions that this caller lacks."""
    policy: Policy | None = None
    """What this caller may do; None for everything that is not denied."""

    def header(self, name: str) -> str:
        """A header's value; Go sends some headers empty, which means absent."""
        return self.headers.get(name, "")

    def json(self) -> dict[str, object]:
        try:
            value = json.loads(bytes(self.body) or b"{}")
        except ValueError:
            raise ApiError(400, "MalformedInput", "the body is not JSON") from None
        if not isinstance(value, dict):
            raise ApiError(400, "MalformedInput", "the body is not a JSON object")
        return value

    def need(self, *permissions: str, name: str | None = None) -> None:
        """Real OCI hides a missing permission behind the same 404 as a missing bucket. `name` is of the object
        concerned, where that is not in the path."""
        call = self.call
        concerned = call.name if name is None else name
        allowed = self.policy is None or all(self.policy.allows(one, call.bucket, concerned) for one in permissions)
        if self.denied.intersection(permissions) or not allowed:
            raise bucket_not_found(call.namespace, call.bucket)


@dataclass(slots=True)
class Response:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Sequence[Buffer] = ()
    length: int | None = None
    """Content-Length when the body itself is not sent (HEAD)."""

    @property
    def size(self) -> int:
        return sum(len(piece) for piece in self.body)


def json_response(value: object, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    body = json.dumps(value, separators=(",", ":")).encode()
    return Response(status, {"content-type": "application/json", **(headers or {})}, [body])


def error_response(error: ApiError) -> Response:
    return json_response({"code": error.code, "message": error.message}, error.headers, error.status)


def bucket_not_found(namespace: str, bucket: str) -> ApiError:
    return ApiError(
        404,
        "BucketNotFound",
        f"Either the bucket named '{bucket}' does not exist in the namespace '{namespace}' "
        "or you are not authorized to access it",
    )


def object_not_found(bucket: str, name: str) -> ApiError:
    return ApiError(404, "ObjectNotFound", f"The object '{name}' was not found in the bucket '{bucket}'")


def new_etag() -> str:
    return str(uuid.uuid4())


def timestamp(seconds: float) -> str:
    """As listings write it: 2026-11-22T22:24:32.631Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def http_date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
