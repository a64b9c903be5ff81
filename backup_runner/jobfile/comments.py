"""Comments in job files: where they are, and which warnings they suppress in their file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from . import rules
from .diagnostics import Complaints, Diagnostic, Span, quoted
from .nodes import Mapping, Node, Scalar, Sequence
from .rulebook import RULES
from .rules import Severity
from .yamltext import split_lines

_MARK = "backup-runner:"
_IGNORE = re.compile(r"#\s{0,20}backup-runner:\s{0,20}ignore\b(.{0,1000})")
_CODE = re.compile(r"[^\s,]+")
_BLOCK_HEADER = re.compile(r"(?:[&!]\S{0,100}[ \t]{1,20}){0,2}[|>][-+0-9]{0,2}")
_OF_SETS = frozenset({rules.CATALOG_KEYS, rules.PREFIXES, rules.BUCKET_IN_OTHERS, rules.SHARED_BUCKET})
"""Only found when several files are checked together, so a comment for one of these may look unused."""


class Comment(NamedTuple):
    """The text from `#` to the end of the line."""

    span: Span
    text: str


def find_comments(text: str, root: Node) -> list[Comment]:
    """All comments, top to bottom; a `#` inside a value does not count."""
    lines = split_lines(text)
    taken: dict[int, list[tuple[int, int]]] = {}
    for scalar in _scalars(root, set()):
        for number, start, end in _stretches(scalar, lines):
            taken.setdefault(number, []).append((start, end))
    found = []
    for number, line in enumerate(lines, 1):
        column = _start(line, taken.get(number, []))
        if column >= 0:
            found.append(Comment(Span(number, column + 1, number, len(line) + 1), line[column:].rstrip()))
    return found


def _start(line: str, taken: list[tuple[int, int]]) -> int:
    at = line.find("#")
    for start, end in sorted(taken):
        # Only the last span that begins at or before the `#` can contain it.
        while 0 <= at < start:
            if _begins(line, at):
                return at
            at = line.find("#", at + 1)
        if start <= at < end:
            at = line.find("#", end)
    while at >= 0 and not _begins(line, at):
        at = line.find("#", at + 1)
    return at


def _begins(line: str, at: int) -> bool:
    return at == 0 or line[at - 1] in " \t\ufeff"


def _scalars(node: Node, seen: set[int]) -> Iterator[Scalar]:
    # An alias leads to a node that was already visited.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item, seen)
    elif isinstance(node, Mapping):
        for key, value in node.pairs:
            yield from _scalars(key, seen)
            yield from _scalars(value, seen)


def _stretches(scalar: Scalar, lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """(line, from, to) for each line of the scalar."""
    span = scalar.span
    if span.line > len(lines):
        return
    first = span.column - 1
    header = None if scalar.plain else _BLOCK_HEADER.match(lines[span.line - 1], first)
    for number in range(span.line, min(span.end_line, len(lines)) + 1):
        start = first if number == span.line else 0
        end = span.end_column - 1 if number == span.end_line else len(lines[number - 1])
        if number == span.line and header is not None:
            end = header.end()
        yield number, start, end


def apply_ignores(text: str, root: Node, complaints: Complaints) -> None:
    """Drop the warnings that the file's comments suppress; warn about comments that suppress nothing."""
    if _MARK not in text:
        return
    hidden: set[str] = set()
    unused: list[tuple[str, Span]] = []
    warned = {item.code for item in complaints.items if item.severity is Severity.WARNING}
    complete = not complaints.failed
    for comment in find_comments(text, root):
        match = _IGNORE.match(comment.text)
        if match is None:
            continue
        codes = _CODE.findall(match[1])
        hidden.update(codes)
        if not codes:
            complaints.add(
                rules.IGNORE, comment.span, "no rule code in the comment", "e.g. `# backup-runner: ignore BR061`"
            )
        for code in codes:
            if not _may_be_ignored(code, comment.span, complaints):
                continue
            # A file with errors is not checked for all warnings.
            if complete and code not in warned and code not in _OF_SETS and code != rules.IGNORE:
                unused.append((code, comment.span))
    for code, span in unused:
        complaints.add(rules.IGNORE, span, f"this file has no warning {code}", "remove the code from the comment")
    complaints.items = [item for item in complaints.items if not _is_hidden(item, hidden)]


def ignored_in(text: str, root: Node) -> set[str]:
    """The codes of a shared file's comments; which of them are of use depends on the job."""
    found = (_IGNORE.match(comment.text) for comment in find_comments(text, root)) if _MARK in text else ()
    return {code for match in found if match is not None for code in _CODE.findall(match[1])}


def hide(file: str, codes: set[str], complaints: Complaints) -> None:
    """Drop warnings with a place in a shared file that its comments suppress."""
    complaints.items = [item for item in complaints.items if item.file != file or not _is_hidden(item, codes)]


def _may_be_ignored(code: str, span: Span, complaints: Complaints) -> bool:
    rule = RULES.get(code)
    if rule is None:
        hint = "docs/rules lists the codes; separate several with commas or spaces"
        complaints.add(rules.IGNORE, span, f"unknown rule {quoted(code)}", hint)
    elif rule.severity is Severity.ERROR:
        complaints.add(rules.IGNORE, span, f"{code} is an error; only warnings can be ignored", "fix the error")
    return rule is not None and rule.severity is Severity.WARNING


def _is_hidden(item: Diagnostic, hidden: set[str]) -> bool:
    return item.severity is Severity.WARNING and item.code in hidden
