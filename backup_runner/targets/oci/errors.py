"""Turns exceptions of the SDK into errors that say what happened, where, and what to do."""

from __future__ import annotations

import email.utils
import re
import socket
import time
from dataclasses import dataclass

import oci
import urllib3

from ...errors import (
    AccessDenied,
    ChecksumMismatch,
    ConditionFailed,
    ConfigError,
    ObjectArchived,
    ObjectExists,
    ObjectMissing,
    ObjectProtected,
    RetryLaterError,
    TargetError,
    TransientError,
    UnreachableError,
)
from ...foreign import describe, sifted
from .policy import policy_line

RequestException = oci._vendor.requests.exceptions.RequestException
SDK_ERRORS: tuple[type[BaseException], ...] = (
    oci.exceptions.ServiceError,
    RequestException,
    oci.exceptions.ClientError,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
)
_MAX_SKEW = 300.0
_POLICY_403 = frozenset({"", "NotAuthorized", "NotAuthorizedOrNotFound", "Forbidden", "AccessDenied", "NotAllowed"})
"""Codes of a missing permission. The response to a HEAD request has no code."""
_MISSING_404 = frozenset({"", "ObjectNotFound", "UploadNotFound", "NoSuchUpload", "NoSuchKey", "NotFound"})
_KMS = re.compile(r"(?i)\bkms|\bvault\b|\bmaster encryption key|\bencryption key\b")
_KMS_HINT = (
    "the encryption key of the bucket cannot be used: enable it in its vault and add a policy that lets the service "
    "objectstorage-<region> use it; the objects still exist"
)
_SILENT = "run again later; if it never responded, check target.endpoint: another program may be listening there"
_OTHER_HINT = (
    "the message of the service says why; the cause may not be a policy (read-only replica, suspended tenancy)"
)
_PROXY_LOGIN = "set target.proxy or HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT"
_RETRIED_409 = frozenset({"ConcurrentObjectUpdate", "IncorrectState"})


@dataclass(frozen=True)
class Service:
    """Where requests go and who signs them, for error messages."""

    endpoint: str
    namespace: str
    bucket: str
    signer: str
    """e.g. `profile DEFAULT in /home/me/.oci/config`."""


@dataclass(frozen=True)
class Doing:
    """One call: its operation and the full object name ("" if it concerns no single object)."""

    operation: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.operation} {self.name}" if self.name else self.operation

    def at(self, place: Service) -> str:
        return f"{self} in bucket {place.bucket} at {place.endpoint}"


class SilentError(UnreachableError):
    """A server that accepts connections but never responds: treated as unreachable, unless it responded before."""


class HiddenError(TargetError):
    """A 404 that can mean a wrong name as well as a missing permission."""


class UnauthenticatedError(TargetError):
    """The service rejects the signature."""


def translate(error: BaseException, doing: Doing, place: Service) -> TargetError | ConfigError:
    """The error to raise, or, if it is a TransientError, to retry."""
    where = doing.at(place)
    if isinstance(error, oci.exceptions.ServiceError):
        return _service(error, doing, place, where)
    if isinstance(error, oci.exceptions.InvalidConfig | oci.exceptions.InvalidPrivateKey):
        return ConfigError(
            f"{place.signer} cannot be used: {describe(error)}", hint="docs/oci-setup.md shows a working one"
        )
    if isinstance(error, RequestException | urllib3.exceptions.HTTPError | OSError):
        return _connection(error, place, where)
    if isinstance(error, ValueError) and "endpoint" in str(error).lower():
        return ConfigError(f"target.endpoint {place.endpoint} cannot be used", hint="write it as https://HOST")
    return TransientError(f"{where}: the response cannot be read ({type(error).__name__})")


def _service(error: oci.exceptions.ServiceError, doing: Doing, place: Service, where: str) -> TargetError:
    """By the service's code and message; the status alone says little: policies, replicas and proxies all return
    403."""
    status, code = int(error.status), _short(error.code or "")
    words = sifted(str(error.message or ""))
    said = f"{where}: {status} {code} (request {_short(error.request_id)})".replace("  ", " ")
    if status == 407:
        return TargetError(f"{where}: the proxy requires authentication (407)", hint=_PROXY_LOGIN)
    if status == 429 or status == 408 or (status >= 500 and status != 501) or code in _RETRIED_409:
        hint = "the service is overloaded or down; run again later"
        after = _retry_after(error)
        return TransientError(said, hint=hint) if after is None else RetryLaterError(said, retry_after=after, hint=hint)
    if not (error.headers or {}).get("opc-request-id"):
        return TargetError(
            f"{where}: {status}, not from Object Storage but from something in between: {words or 'no text'}",
            hint="check target.proxy, HTTPS_PROXY, NO_PROXY and target.endpoint; it may be a proxy or a firewall",
        )
    if status in (400, 403, 404, 409) and _KMS.search(f"{code} {error.message}"):
        return TargetError(f"{said}: {words}", hint=_KMS_HINT)
    match status, code:
        case 400, "UnmatchedContentMD5":
            return ChecksumMismatch(
                f"{said}: the data was altered in transit", hint="check proxies and this machine's memory"
            )
        case 401, _:
            return _unauthenticated(error, place, said)
        case 403, "RetentionRuleViolation":
            return ObjectProtected(
                f"{said}: a retention rule of the bucket protects this object",
                hint="it can be deleted or replaced when the rule's period ends",
            )
        case 403, _ if code in _POLICY_403:
            return AccessDenied(said, hint=f"grant it: {policy_line(doing.operation, place.bucket)}")
        case 404, "BucketNotFound" | "NamespaceNotFound" | "NotAuthorizedOrNotFound" | "NotAuthorized":
            return HiddenError(said)
        case 404, _ if code in _MISSING_404:
            return ObjectMissing(said)
        case 409, "NotRestored":
            return ObjectArchived(f"{said}: the object is archived", hint="thaw it: restore --thaw")
        case 412, _ if code == "IfMatchFailed" or doing.operation == "ReplaceObject":
            return ConditionFailed(said)
        case 412, _:
            return ObjectExists(said)
    return TargetError(f"{said}: {words or 'no reason given'}", hint=_OTHER_HINT if status in (403, 404) else None)


def _short(text: object) -> str:
    """The error message of a server in a form that can be shown: short, without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text)[:100])


def _unauthenticated(error: oci.exceptions.ServiceError, place: Service, said: str) -> TargetError:
    try:
        sent = email.utils.parsedate_to_datetime((error.headers or {}).get("date", ""))
        skew = time.time() - sent.timestamp()
    except (TypeError, ValueError):
        skew = 0.0
    if abs(skew) > _MAX_SKEW:
        way = "ahead of" if skew > 0 else "behind"
        return UnauthenticatedError(
            f"{said}: this machine's clock is {abs(skew) / 60:.0f} minutes {way} the service's",
            hint="set the clock (NTP); at most 5 minutes of difference are allowed",
        )
    return UnauthenticatedError(
        f"{said}: the service rejects the signature of {place.signer}",
        hint="check that user, tenancy, fingerprint and key_file belong together, that the public key is still "
        "registered with that user, and that a session token has not expired (oci session authenticate)",
    )


def _connection(error: BaseException, place: Service, where: str) -> TargetError:
    chain = list(_chain(error))
    names = {type(link).__name__ for link in chain}
    host = place.endpoint.partition("://")[2]
    if "NameResolutionError" in names or any(isinstance(link, socket.gaierror) for link in chain):
        return UnreachableError(
            f"{where}: the name {host.partition(':')[0]} cannot be resolved",
            hint="check target.region and target.endpoint, and the network's DNS",
        )
    if any("407" in str(link) for link in chain if type(link).__name__ in ("OSError", "ProxyError")):
        return TargetError(f"{where}: the proxy requires authentication (407)", hint=_PROXY_LOGIN)
    if names & {"InvalidSchema", "MissingSchema", "InvalidURL", "InvalidProxyURL", "LocationParseError"}:
        return TargetError(
            f"{where}: invalid address of the server or proxy", hint="check target.endpoint and target.proxy"
        )
    if "ProxyError" in names:
        return UnreachableError(f"{where}: the proxy does not respond", hint="check target.proxy and HTTPS_PROXY")
    if "SSLError" in names or "SSLCertVerificationError" in names:
        return TargetError(
            f"{where}: the server's certificate is not trusted, or this is not TLS",
            hint="set target.ca_bundle (or REQUESTS_CA_BUNDLE) to your network's certificate authority",
        )
    if any(isinstance(link, ConnectionRefusedError) for link in chain):
        return UnreachableError(
            f"{where}: connection refused", hint="check target.endpoint; is a server running there?"
        )
    if names & {"NewConnectionError", "ConnectTimeoutError", "ConnectTimeout"}:
        return UnreachableError(f"{where}: no connection to {host}", hint="check the network, firewall and proxy")
    if names & {"ReadTimeout", "ReadTimeoutError"}:
        return SilentError(f"{where}: the server accepted the connection but did not respond in time", hint=_SILENT)
    return TransientError(f"{where}: the connection was lost ({type(chain[-1]).__name__})", hint="run again later")


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it; requests and urllib3 nest theirs in arguments and `reason`."""
    found: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        link = todo.pop(0)
        if isinstance(link, BaseException) and link not in found and len(found) < 20:
            found.append(link)
            todo += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]
    return found


def _retry_after(error: oci.exceptions.ServiceError) -> float | None:
    """Retry-After in seconds (RFC 9110, section 10.2.3), as a number or a date."""
    text = (error.headers or {}).get("retry-after")
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
