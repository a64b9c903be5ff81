"""Detects secrets written into a job, including secrets in environment values of hooks.

No message repeats the secret, and its lines are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import rules
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .veil import TOKENS

SECRET_KEYS = (
    *("key", "crypto_key", "secret_key", "private_key", "secret", "password", "passphrase", "token", "api_key"),
)
ENVIRONMENT_KEYS = ("env", "environment")
"""Keys that people write below `hooks` to pass variables to a hook; the format has no such key."""

_WORD = r"(?:passw(?:or)?d|passphrase|secret|token|credential|(?:api|access|private|crypto)[_-]?key)s?"
# A name with one of these endings gives the location of a secret.
_ELSEWHERE = "".join(f"(?<!_{end})" for end in ("file", "path", "dir", "command", "cmd", "env", "url", "id"))
_NAME = rf"[A-Za-z0-9_]{{0,64}}{_WORD}(?:_[A-Za-z0-9_]{{1,64}}|[0-9]{{1,4}})?{_ELSEWHERE}"
_LITERAL = r"""["']?[^$"'\s]"""
# Every repetition is bounded: a job file may be hostile.
_ASSIGNMENT = re.compile(rf"(?<![\w-])(?P<name>{_NAME})={_LITERAL}", re.IGNORECASE)
_OPTION = re.compile(rf"(?<!\w)--{_NAME.replace('_]', '_-]')}(?:=|\s{{1,8}}){_LITERAL}", re.IGNORECASE)
_USER_IN_URL = re.compile(r"[a-z][a-z0-9+.-]{0,20}://[^/\s@:]{0,256}:(?!\$)[^/\s@]{1,256}@", re.IGNORECASE)
_KEY_SHAPED = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{48}|[0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{22}==)")
"""Exactly 16, 24 or 32 bytes in hex, or 16 or 32 in base64."""


def looks_secret(text: str) -> bool:
    """Whether a value is probably a key, a token, or a password passed to a program."""
    found = TOKENS.search(text) or _ASSIGNMENT.search(text) or _OPTION.search(text) or _USER_IN_URL.search(text)
    return found is not None or _KEY_SHAPED.fullmatch(text.strip()) is not None


def check_hooks(document: Document, complaints: Complaints) -> None:
    """Report environment values (`NAME=value`) with a secret, and URLs with a password, in hooks."""
    # Thousands of aliases may repeat one long value.
    told: dict[str, str | None] = {}
    for loc, text in _hook_texts(document.data.get("hooks")):
        if text not in told:
            told[text] = _hook_secret(text)
        message = told[text]
        if message is not None:
            hint = "let the hook read it from a file or from the run's environment; change any password written here"
            complaints.add(rules.LITERAL_KEY, document.span(loc), message, hint, secret=True)
            document.settled.add(loc)


def _hook_secret(text: str) -> str | None:
    if found := _ASSIGNMENT.search(text):
        return f"{quoted(found['name'])}: a hook's environment value must not contain a secret"
    return "a URL in a hook must not contain a user or password" if _USER_IN_URL.search(text) else None


def _hook_texts(hooks: object) -> Iterator[tuple[Loc, str]]:
    if not isinstance(hooks, dict):
        return
    for key, value in hooks.items():
        if isinstance(value, str):
            yield ("hooks", key), value
        elif isinstance(value, list):
            yield from ((("hooks", key, index), item) for index, item in enumerate(value) if isinstance(item, str))
