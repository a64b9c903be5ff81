"""Renders diagnostics as text: place, code, message, the line with a caret below, and the hint. No colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from .diagnostics import Diagnostic, printable
from .veil import veiled_lines
from .yamltext import split_lines

_WIDTH = 100


def render_text(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> str:
    """One paragraph per diagnostic. Lines with a secret are never shown."""
    lines = {file: veiled_lines(split_lines(text)) for file, text in sources.items()}
    hidden = {(item.file, line) for item in diagnostics if item.secret for line in range(item.line, item.end_line + 1)}
    paragraphs = []
    for item in diagnostics:
        source = lines.get(item.file, [])
        shown = [] if (item.file, item.line) in hidden or item.line > len(source) else _excerpt(item, source)
        head = f"{item.file}:{item.line}:{item.column}: {item.severity} {item.code}: {item.message}"
        hint = [f"    hint: {item.hint}"] if item.hint else []
        paragraphs.append("\n".join([head, *shown, *hint]))
    return "\n\n".join(paragraphs)


def _excerpt(item: Diagnostic, source: list[str]) -> list[str]:
    """The line and the caret line; a long line is cut to the part around the place."""
    line = source[item.line - 1]
    if not line.strip():
        return []
    start = max(0, item.column - 1 - _WIDTH // 2) if len(line) > _WIDTH else 0
    end = item.end_column - 1 if item.end_line == item.line else len(line.rstrip())
    before = _flat(line[start : item.column - 1])
    marked = _flat(line[item.column - 1 : max(end, item.column)][: _WIDTH // 2])
    after = _flat(line[max(end, item.column) : start + _WIDTH])
    gutter = f"{item.line:>5} | "
    caret = " " * _columns(before) + "^" * max(1, _columns(marked))
    return [(gutter + before + marked + after).rstrip(), " " * (len(gutter) - 2) + "| " + caret]


def _flat(text: str) -> str:
    return printable(text.replace("\t", " "))


def _columns(text: str) -> int:
    """Width on a terminal: East Asian wide characters take two columns, combining ones none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)
