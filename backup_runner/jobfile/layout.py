"""Puts keys in canonical order: the order of the models, then unknown keys in their original order.

Works on lines and spans, not on values: a block moves with the comments above it, and no value is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from .checking import BLOCKS, block_of
from .comments import find_comments
from .document import Document, Loc
from .nodes import Mapping, Node, Scalar, Sequence
from .yamltext import split_lines

_MODELINES = ("yaml-language-server:", "backup-runner:")


class _Line(NamedTuple):
    """`comment` is the column (from 1) of a full-line comment, else 0."""

    text: str
    comment: int

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def reorder(text: str, root: Node, document: Document) -> str:
    """The text with the keys of every known block in order; lines end in line feeds."""
    own = {one.span.line: one.span.column for one in find_comments(text, root)}
    lines = []
    for number, line in enumerate(split_lines(text), 1):
        column = own.get(number, 0)
        lines.append(_Line(line, column if column and not line[: column - 1].strip() else 0))
    for loc, node in _inner_first(root, ()):
        model = BLOCKS.get(block_of(loc, document))
        names = [key.text for key, _ in node.pairs if isinstance(key, Scalar)]
        if model is None or len(names) != len(node.pairs):
            continue
        known = {key: index for index, key in enumerate(model.model_fields)}
        order = sorted(range(len(names)), key=lambda index: (known.get(names[index], len(known)), index))
        if order == sorted(order):
            continue
        if node.flow:
            _in_line(lines, node, order)
        else:
            _in_block(lines, node, order, top=not loc)
    return "\n".join(line.text for line in lines)


def _inner_first(node: Node, loc: Loc) -> Iterator[tuple[Loc, Mapping]]:
    """All blocks, each where it is written; the target of an alias is further up."""
    if isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            if item.span[:2] >= node.span[:2]:
                yield from _inner_first(item, (*loc, index))
    elif isinstance(node, Mapping):
        for key, value in node.pairs:
            if isinstance(key, Scalar) and value.span[:2] >= key.span[:2]:
                yield from _inner_first(value, (*loc, key.text))
        yield loc, node


def _in_line(lines: list[_Line], node: Mapping, order: list[int]) -> None:
    """`{b: 1, a: 2}`: reorders the pieces in place; a block of several lines is left alone."""
    number, end = node.span.end_line - 1, node.span.end_column - 2
    if any(key.span.line - 1 != number for key, _ in node.pairs):
        return
    line = lines[number].text
    starts = [key.span.column - 1 for key, _ in node.pairs]
    pieces = [line[start:stop].rstrip(", ") for start, stop in zip(starts, [*starts[1:], end], strict=True)]
    moved = ", ".join(pieces[index] for index in order)
    # A different length would shift the spans of everything after it.
    if len(moved) == end - starts[0]:
        lines[number] = lines[number]._replace(text=line[: starts[0]] + moved + line[end:])


def _in_block(lines: list[_Line], node: Mapping, order: list[int], *, top: bool) -> None:
    column = node.pairs[0][0].span.column
    keys = [key.span.line for key, _ in node.pairs]
    first = _header_end(lines, keys[0]) if top else keys[0]
    starts = [first, *(_above(lines, line, column) for line in keys[1:])]
    end = _below(lines, node.span.end_line, column)
    bounds = [*starts, end]
    if any(stop <= start for start, stop in pairwise(bounds)):
        return
    chunks = [lines[start - 1 : stop - 1] for start, stop in pairwise(bounds)]
    dash = "" if top else lines[keys[0] - 1].text[: column - 1]
    if dash.strip():
        # The first key of a list item follows the dash, whichever key that is.
        head = chunks[0][0]
        chunks[0][0] = head._replace(text=" " * len(dash) + head.text[len(dash) :])
    moved = [line for index in order for line in chunks[index]]
    if dash.strip():
        at = next(index for index, line in enumerate(moved) if not line.blank and not line.comment)
        moved[at] = moved[at]._replace(text=dash + moved[at].text[len(dash) :])
        indent = len(dash) - len(dash.lstrip())
        moved[:at] = [_Line(" " * indent + line.text.lstrip(), line.comment and indent + 1) for line in moved[:at]]
    lines[first - 1 : end - 1] = moved


def _above(lines: list[_Line], key: int, column: int) -> int:
    """The first of the blank and comment lines that belong to the key below: comments with the same indentation."""
    start = key
    while start > 1 and (lines[start - 2].blank or 0 < lines[start - 2].comment <= column):
        start -= 1
    return start


def _below(lines: list[_Line], last: int, column: int) -> int:
    """The line after a block, including comments below it that are indented like its content."""
    end = last + 1
    while column > 1 and end <= len(lines) and lines[end - 1].comment >= column:
        end += 1
    return end


def _header_end(lines: list[_Line], key: int) -> int:
    """Where the first key's own comments start: comments above a blank line, and modelines, stay at the top."""
    start = key
    while start > 1 and lines[start - 2].comment:
        if lines[start - 2].text.lstrip("# ").startswith(_MODELINES):
            break
        start -= 1
    return start
