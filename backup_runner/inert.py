"""Makes text and JSON free of commands for CI systems and terminals, whatever files are called."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))", re.MULTILINE | re.IGNORECASE)
"""What CI systems treat as commands: `::` at a line's start, and `##[`, `##vso[`, `##teamcity[` anywhere."""
_JSON = re.compile(
    rb"##|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]",
)
"""`##`, C1 controls, line separators, and what turns the direction of text around, in UTF-8."""


def inert(text: str) -> str:
    """Lines for people. Controls are escaped where names are put in; this is about what is left, and whole lines."""
    if "::" not in text and "##" not in text:
        return text
    return _COMMAND.sub(lambda found: "\\x23" if found[1] is None else f"{found[1]}\\x3a", text)


def inert_json(data: bytes) -> bytes:
    """JSON whose meaning stays: all of this is in its strings only, where escapes mean the same."""
    return _JSON.sub(_escaped, data)


def _escaped(found: re.Match[bytes]) -> bytes:
    text = found[0].decode()
    return b"#\\u0023" if text == "##" else f"\\u{ord(text):04x}".encode()
