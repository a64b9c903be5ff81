"""Request signatures (draft-cavage-http-signatures as OCI uses it), checked over the bytes that came."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import threading
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .api import ApiError, Request
from .policy import Policy

_FIELD = re.compile(r'(\w+)="([^"]*)"')
_MAX_SKEW = 300.0
_BODY_HEADERS = {"content-length", "content-type", "x-content-sha256"}
_BODY_UNSIGNED = {"PutObject", "UploadPart"}


@dataclass(slots=True)
class User:
    """One key that may sign. `key_id` is tenancy/user/fingerprint, or `ST$` and a session token."""

    key_id: str
    key: RSAPublicKey
    name: str
    deny: frozenset[str]
    policy: Policy | None
    """What this user may do; None for everything that is not denied."""
    expires: float
    """Seconds since the epoch; 0 for never."""


@dataclass
class Users:
    """The keys of a JSON file, read again whenever it changes.

    {"users": [{"key_id": …, "public_key": PEM, "name": …, "deny": [permissions], "expires": seconds}]}
    """

    path: str
    known: dict[str, User] = field(default_factory=dict)
    _seen: tuple[int, int] = (0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, key_id: str) -> User | None:
        status = os.stat(self.path)
        seen = (status.st_mtime_ns, status.st_size)
        with self._lock:
            if seen != self._seen:
                self._read()
                self._seen = seen
            return self.known.get(key_id)

    def _read(self) -> None:
        with open(self.path, "rb") as file:
            items = json.load(file)["users"]
        self.known = {}
        for item in items:
            key = load_pem_public_key(item["public_key"].encode())
            assert isinstance(key, RSAPublicKey)
            deny = frozenset(item.get("deny", ()))
            name = item.get("name", item["key_id"])
            policy = None if item.get("policy") is None else Policy.parse(item["policy"])
            self.known[item["key_id"]] = User(item["key_id"], key, name, deny, policy, item.get("expires", 0))


def authenticate(request: Request, users: Users, now: float) -> User:
    """Who signed the request; a 401 in the service's words otherwise."""
    scheme, _, rest = request.header("authorization").partition(" ")
    fields = dict(_FIELD.findall(rest))
    if scheme.lower() != "signature" or fields.get("algorithm") != "rsa-sha256":
        raise _refused("The required information to complete authentication was not provided.")
    user = users.find(fields.get("keyId", ""))
    if user is None or (user.expires and user.expires < now):
        raise _refused("The required information to complete authentication was not provided or was incorrect.")
    names = fields.get("headers", "date").lower().split(" ")
    _check_date(request, names, now)
    _check_names(request, names)
    try:
        signature = base64.b64decode(fields.get("signature", ""), validate=True)
        user.key.verify(signature, _signing_string(request, names), PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error):
        raise _refused("Failed to verify the HTTP(S) Signature") from None
    if "x-content-sha256" in names:
        digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        if digest != request.header("x-content-sha256"):
            raise _refused("The x-content-sha256 header does not match the body")
    return user


def _signing_string(request: Request, names: list[str]) -> bytes:
    lines = []
    for name in names:
        if name == "(request-target)":
            lines.append(f"(request-target): {request.method.lower()} {request.target}")
        else:
            lines.append(f"{name}: {request.headers.get(name, '')}")
    return "\n".join(lines).encode("latin-1")


def _check_names(request: Request, names: list[str]) -> None:
    needed = {"(request-target)", "host"}
    if request.method in ("POST", "PUT", "PATCH") and request.call.operation not in _BODY_UNSIGNED:
        needed |= _BODY_HEADERS
    missing = needed.difference(names) | {name for name in names if name[0] != "(" and name not in request.headers}
    if missing:
        raise _refused(f"Missing in the signature: {', '.join(sorted(missing))}")


def _check_date(request: Request, names: list[str], now: float) -> None:
    header = "x-date" if "x-date" in names else "date"
    try:
        sent = parsedate_to_datetime(request.header(header)).timestamp()
    except (ValueError, TypeError):
        raise _refused("The date header is missing or cannot be read") from None
    if header not in names or abs(sent - now) > _MAX_SKEW:
        raise _refused(
            f"Date '{request.header(header)}' is not within allowed clock skew. "
            f"Current '{now:.0f}', valid datetime range: 300 seconds"
        )


def _refused(message: str) -> ApiError:
    return ApiError(401, "NotAuthenticated", message)
