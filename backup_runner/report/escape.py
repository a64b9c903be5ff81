"""Makes names and messages safe to print: control characters are escaped.

A file name can be anything; printed raw, it could move the cursor, hide lines or reverse text.
"""

from __future__ import annotations

_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


def name(path: bytes) -> str:
    """An unambiguous form of a path: control characters, invalid UTF-8 and backslashes are escaped."""
    text = path.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text or "./"
    return "".join(_visible(char) for char in text)


def one_line(text: str) -> str:
    """A message on one line, without control characters; existing escapes are kept."""
    if text.isprintable():
        return text
    return "".join(char if char == "\\" else _visible(char) for char in text)


def lines(text: str) -> str:
    """A multi-line message without other control characters."""
    return "\n".join(one_line(line) for line in text.split("\n"))


def _visible(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
