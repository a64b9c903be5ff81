"""Keeps keys and tokens out of messages and excerpts, wherever they were pasted in a job file."""

from __future__ import annotations

import re
from collections.abc import Sequence

TOKENS = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY"
    r"|AGE-SECRET-KEY-1"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{30}"
    r"|\bglpat-[A-Za-z0-9_-]{20}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10}"
    r"|\bBearer\s{1,8}[A-Za-z0-9._~+/-]{16}"
    r"|\beyJ[A-Za-z0-9_-]{10,400}\.[A-Za-z0-9_-]{10,400}\."
)
_RUN = re.compile(r"[A-Za-z0-9+/]{30,}={0,2}")
_WHOLE_LINE = re.compile(r"[\s\"'-]*[A-Za-z0-9+/]{1,100}={0,2}[\s\"']*")
_SHORTEST = 20
"""This many letters and digits between two slashes look like a key rather than a path."""


def veiled(text: str) -> str:
    """The text with everything that looks like a key or token replaced by as many stars."""
    if not TOKENS.search(text):
        return _RUN.sub(_stars, text)
    return _RUN.sub(_stars, TOKENS.sub(lambda found: "*" * len(found[0]), text))


def veiled_lines(lines: Sequence[str]) -> list[str]:
    """Masks each line, and around a line of a key also the neighbours that may belong to the same key."""
    shown = [veiled(line) for line in lines]
    for step in (1, -1):
        order = range(len(lines)) if step > 0 else range(len(lines) - 1, -1, -1)
        for number in order:
            before = number - step
            if 0 <= before < len(lines) and shown[before] != lines[before] and _WHOLE_LINE.fullmatch(lines[number]):
                shown[number] = re.sub(r"\S", "*", lines[number])
    return shown


def _stars(found: re.Match[str]) -> str:
    longest = max(found[0].split("/"), key=len)
    kinds = (r"[a-z]", r"[A-Z]", r"[0-9]")
    if len(longest) < _SHORTEST or not all(re.search(kind, longest) for kind in kinds):
        return found[0]
    return "*" * len(found[0])
