"""Characters not allowed in a job file: they are invisible, or people and the YAML parser see different text."""

from __future__ import annotations

import re
from typing import NamedTuple

_FORBIDDEN_ASCII = re.compile("[^\t\n\r\x20-\x7e]")
# Patterns that only text beyond ASCII needs are compiled when they are first used: `validate` must start fast.
_FORBIDDEN = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_BREAKS = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
"""Line breaks for the YAML parser, but not in most editors and reviews: a key can hide in what looks like a comment."""
_BIDI = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_INVISIBLE = (
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2064\u206a-\u206f\u3164\ufe00-\ufe0d"
    "\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Excludes the joiners U+200C and U+200D and the emoji selectors, which names in many languages need."""
_SPACES = "(?m)^[ \t]*[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]|[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000](?=#)"
"""Spaces to people, letters to the parser: they turn comments and indentation into part of a value."""


class Refused(NamedTuple):
    """The character's position in the text, what is wrong with it, and what to do."""

    at: int
    message: str
    hint: str | None = None


def find_refused(text: str) -> Refused | None:
    """The first character that is not allowed in a job file."""
    looks = (_control, _break) if text.isascii() else (_control, _break, _bidi, _invisible, _space)
    found = [refused for look in looks if (refused := look(text))]
    return min(found, default=None)


def escape_refused(text: str) -> str:
    """The text with each such character written as a YAML escape."""
    while refused := find_refused(text):
        text = text[: refused.at] + _escape(text[refused.at]) + text[refused.at + 1 :]
    return text


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def _forbidden(text: str) -> re.Match[str] | None:
    return _FORBIDDEN_ASCII.search(text) if text.isascii() else re.search(_FORBIDDEN, text)


def _control(text: str) -> Refused | None:
    if bad := _forbidden(text):
        what = "NUL" if bad[0] == "\0" else f"the character {_name(bad[0])}"
        return Refused(bad.start(), f"{what} is not allowed in a job file")
    return None


def _break(text: str) -> Refused | None:
    if bad := _BREAKS.search(text):
        message = f"{_name(bad[0])} ends a line for the YAML parser, but not in most editors and reviews"
        escape = "\\r" if bad[0] == "\r" else _escape(bad[0])
        return Refused(bad.start(), message, f'end lines with a line feed; inside a value, write "{escape}"')
    return None


def _bidi(text: str) -> Refused | None:
    if bad := re.search(_BIDI, text):
        message = f"{_name(bad[0])} changes the order in which text is displayed, not the order in which it is parsed"
        return Refused(bad.start(), message, f'remove it; if a name really contains it, write "{_escape(bad[0])}"')
    return None


def _invisible(text: str) -> Refused | None:
    if bad := re.search(_INVISIBLE, text):
        message = f"{_name(bad[0])} is invisible"
        return Refused(bad.start(), message, f'remove it; if a name really contains it, write "{_escape(bad[0])}"')
    return None


def _space(text: str) -> Refused | None:
    if bad := re.search(_SPACES, text):
        message = f"{_name(bad[0][-1])} looks like a space, but the YAML parser treats it as a letter"
        hint = f'use an ordinary space; if a name really contains it, write "{_escape(bad[0][-1])}"'
        return Refused(bad.end() - 1, message, hint)
    return None
