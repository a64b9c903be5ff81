"""The process that sends one notice: reads it from stdin, and prints errors on stdout.

Errors consist only of numbers and names of error types: texts of exceptions contain URLs and responses of
servers.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any, Final

from ..foreign import describe

_MOST: Final = 10_000
_PATHS: Final = {"start": "/start", "success": "", "failure": "/fail"}
_PRIORITY: Final = {"start": "min", "success": "low", "failure": "high"}
_TAGS: Final = {"start": "hourglass", "success": "white_check_mark", "failure": "rotating_light"}
_TYPES: Final = {"start": "info", "success": "success", "failure": "failure"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Send the notice to the job's URL."""

    def redirect_request(self, *_: object) -> None:
        return None


def main() -> None:
    try:
        order = json.load(sys.stdin)
        send = _by_apprise if order["style"] == "apprise" else _by_http
        said = send(order)
    except urllib.error.HTTPError as error:
        said = f"was answered with status {error.code}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent is to hear of it, and of nothing else
        cause = getattr(error, "reason", None)
        said = f"could not be sent: {describe(cause if isinstance(cause, Exception) else error)}"
    sys.stdout.write(said)
    sys.stdout.flush()
    # Libraries leave threads that wait for a server.
    os._exit(0)


def _by_http(order: dict[str, Any]) -> str:
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(_request(order)) as answer:
        answer.read(_MOST)
    return ""


def _request(order: dict[str, Any]) -> urllib.request.Request:
    url, event = order["url"], order["event"]
    body = order["text"].encode("utf-8", "replace")
    if order["style"] == "healthchecks":
        return urllib.request.Request(url.rstrip("/") + _PATHS[event], body, method="POST")  # noqa: S310 - checked
    # HTTP headers contain only ASCII; the job's name is.
    headers = {"Title": f"backup {order['job']}: {event}", "Priority": _PRIORITY[event], "Tags": _TAGS[event]}
    return urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked by the parent


def _by_apprise(order: dict[str, Any]) -> str:
    import apprise

    service = apprise.Apprise()
    if not service.add(order["url"]):
        return "could not be sent: apprise does not support this URL"
    event = order["event"]
    sent = service.notify(order["text"], f"backup {order['job']}: {event}", _TYPES[event])
    return "" if sent else "could not be sent: the service rejected it"


if __name__ == "__main__":
    main()
