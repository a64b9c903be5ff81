"""YAML as a tree with positions, and YAML 1.2's core schema for plain scalars.

Uses its own nodes rather than constructed values: every value keeps its place, and the spelling of `yes` or `010`
is still known when a message has to explain it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .diagnostics import Span

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True, eq=False)
class Scalar:
    """`text` is the content, `plain` whether it was unquoted, `value` its YAML 1.2 value."""

    span: Span
    text: str
    plain: bool
    value: object


@dataclass(slots=True, eq=False)
class Sequence:
    span: Span
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping:
    span: Span
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    flow: bool = False


Node = Scalar | Sequence | Mapping


def resolve_plain(text: str) -> object:
    """The core schema (YAML 1.2.2, 10.3.2): null, true/false, integers, floats, or text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        try:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        except ValueError:  # more digits than Python converts: still a number, but out of any range
            return -(10**100) if text.startswith("-") else 10**100
    if _FLOAT.fullmatch(text):
        return float(text.replace(".", "") if text[-1] in "fFnN" else text)
    return text
