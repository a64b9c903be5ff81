"""Telling a URL that a run started, succeeded or failed, as healthchecks.io and ntfy want it. Never fails a run."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from enum import StrEnum

from ..foreign import describe
from ..spec import NoticeStyle, Notify

_SECONDS = 10.0
_MOST = 10_000


class Event(StrEnum):
    """What is told."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"


_PATHS = {Event.START: "/start", Event.SUCCESS: "", Event.FAILURE: "/fail"}
_PRIORITY = {Event.START: "min", Event.SUCCESS: "low", Event.FAILURE: "high"}
_TAGS = {Event.START: "hourglass", Event.SUCCESS: "white_check_mark", Event.FAILURE: "rotating_light"}


def tell(notify: Notify, event: Event, job: str, text: str, env: Mapping[str, str]) -> str:
    """Call the URL once; "" or what went wrong, naming the host only, because the rest of such a URL is a secret."""
    url = notify.url or env.get(notify.url_env or "", "")
    if not url:
        return f"the variable {notify.url_env} that should hold the notice URL is not set"
    if not url.startswith(("http://", "https://")):
        return "the notice URL is neither http nor https"
    host = urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
    try:
        request = _request(notify.style, url, event, job, text)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - http and https only
            answer.read(_MOST)
    except urllib.error.HTTPError as error:
        return f"the notice to {host} was answered with status {error.code}"
    except (OSError, ValueError) as error:
        cause = getattr(error, "reason", None)
        return f"the notice to {host} could not be sent: {describe(cause if isinstance(cause, Exception) else error)}"
    return ""


def _request(style: NoticeStyle, url: str, event: Event, job: str, text: str) -> urllib.request.Request:
    body = text.encode("utf-8", "replace")[:_MOST]
    if style is NoticeStyle.HEALTHCHECKS:
        return urllib.request.Request(url.rstrip("/") + _PATHS[event], body, method="POST")  # noqa: S310
    # HTTP headers hold ASCII only; the job's name is.
    headers = {"Title": f"backup {job}: {event.value}", "Priority": _PRIORITY[event], "Tags": _TAGS[event]}
    return urllib.request.Request(url, body, headers, method="POST")  # noqa: S310
