"""Notifies a service that a run started, succeeded or failed, in the form of healthchecks.io or ntfy, or by apprise.

Never fails a run. A separate process sends the notice (`sending`), because only a process can be killed at its time
limit: a name that does not resolve, or a response of one byte per second, would block a thread forever. It reports
errors in its own words, so that neither the URL nor the response of a server gets into a message.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Mapping
from enum import StrEnum

from ..spec import NoticeStyle, Notify

SECONDS = 10.0
"""Time limit in seconds, from the start of its process to the end of the response."""
_MOST = 10_000
_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}")
_SAID = re.compile(r"[A-Za-z0-9 ,.:'()-]{0,200}")


class Event(StrEnum):
    """The events."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"


def tell(notify: Notify, event: Event, job: str, text: str, env: Mapping[str, str]) -> str:
    """Send one notice. Returns "" or the error, with at most the host, because the rest of such a URL is secret."""
    url = notify.url or env.get(notify.url_env or "", "")
    if not url:
        return f"the variable {notify.url_env}, which should contain the notice URL, is not set"
    if notify.style is not NoticeStyle.APPRISE and not url.startswith(("http://", "https://")):
        return "the notice URL is neither http nor https"
    body = text.encode("utf-8", "replace")[:_MOST].decode("utf-8", "ignore")
    order = {"style": notify.style.value, "url": url, "event": event.value, "job": job, "text": body}
    to = _addressee(notify.style, url)
    try:
        done = subprocess.run(
            # -P: nothing must be imported from the current folder.
            [sys.executable, "-P", "-m", f"{__package__}.sending"], input=json.dumps(order).encode(),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, env=dict(env), check=False,
            start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"the notice{to} was not answered within {SECONDS:g} s"
    except (OSError, ValueError):
        return f"the notice{to} could not be sent: cannot start a process for it"
    said = done.stdout.decode("ascii", "replace").strip()
    if done.returncode or not _SAID.fullmatch(said):
        return f"the notice{to} could not be sent"
    return f"the notice{to} {said}" if said else ""


def _addressee(style: NoticeStyle, url: str) -> str:
    """The host, if it is one; in apprise's URLs, it may be a token."""
    if style is NoticeStyle.APPRISE:
        return ""
    try:
        host = urllib.parse.urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return f" to {host}" if _HOST.fullmatch(host) else ""
