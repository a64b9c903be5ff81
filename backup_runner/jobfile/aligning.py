"""Re-indents full-line comments when the lines around them are re-indented."""

from __future__ import annotations

from .comments import Comment, find_comments
from .nodes import Node
from .yamltext import split_lines


def align_comments(before: tuple[str, Node], after: tuple[str, Node]) -> str:
    """The text of `after`, with each comment aligned as in `before`: with the line below it, or with the line above.

    Nothing moves unless both hold the same comments in the same order."""
    old, new = _own_lines(*before), _own_lines(*after)
    lines = split_lines(after[0])
    if [one.text for one in old] != [one.text for one in new]:
        return after[0]
    old_lines = split_lines(before[0])
    old_numbers, new_numbers = {one.span.line for one in old}, {one.span.line for one in new}
    for one, other in zip(old, new, strict=True):
        column = one.span.column - 1
        above, below = _around(old_lines, one.span.line, old_numbers)
        new_above, new_below = _around(lines, other.span.line, new_numbers)
        if column == below:
            column = new_below
        elif column >= above > below:
            column = new_above
        lines[other.span.line - 1] = " " * column + other.text
    return "\n".join(lines)


def _own_lines(text: str, root: Node) -> list[Comment]:
    lines = split_lines(text)
    found = find_comments(text, root)
    return [one for one in found if not lines[one.span.line - 1][: one.span.column - 1].strip()]


def _around(lines: list[str], number: int, comments: set[int]) -> tuple[int, int]:
    """The indentation of the nearest lines with content above and below; 0 where there is none."""
    above = _first(lines, range(number - 1, 0, -1), comments)
    return above, _first(lines, range(number + 1, len(lines) + 1), comments)


def _first(lines: list[str], numbers: range, comments: set[int]) -> int:
    for number in numbers:
        line = lines[number - 1]
        if line.strip() and number not in comments:
            return len(line) - len(line.lstrip())
    return 0
