"""Telling a service that a run started, succeeded or failed: as healthchecks.io and ntfy want it, or by apprise.

Never fails a run. A process of its own sends the notice (`sending`), because only a process can be ended when its time
is over: a name that does not resolve, or an answer of one byte a second, would hold a thread forever. It reports what
went wrong in words of its own, so that neither the URL nor what a server answers gets into a message.
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
"""A notice gets so long, from the start of its process to the end of the answer."""
_MOST = 10_000
_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}")
_SAID = re.compile(r"[A-Za-z0-9 ,.:'()-]{0,200}")


class Event(StrEnum):
    """What is told."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"


def tell(notify: Notify, event: Event, job: str, text: str, env: Mapping[str, str]) -> str:
    """Send one notice; "" or what went wrong, naming the host at most, because the rest of such a URL is a secret."""
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
            # -P: the folder that the program was started in is nothing to import from.
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
    """The host, where it is one; in apprise's URLs tokens may be in its place."""
    if style is NoticeStyle.APPRISE:
        return ""
    try:
        host = urllib.parse.urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return f" to {host}" if _HOST.fullmatch(host) else ""
