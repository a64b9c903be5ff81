"""Converts nodes to plain values, each with its place in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from . import rules
from .diagnostics import Complaints, Span, quoted
from .nodes import Mapping, Node, Scalar, Sequence
from .yamltext import MAX_DEPTH, MAX_VALUES, TOP, too_deep, too_many

Loc = tuple[str | int, ...]
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


@dataclass(slots=True)
class Document:
    """`data` is what the models validate; `nodes` and `keys` give the place of each part.

    `settled` holds the places that were already reported, so that they are not reported twice.
    """

    data: dict[str, Any] = field(default_factory=dict)
    nodes: dict[Loc, Node] = field(default_factory=dict)
    keys: dict[Loc, Scalar] = field(default_factory=dict)
    settled: set[Loc] = field(default_factory=set)
    skip_files: dict[Loc, list[tuple[int, str]]] = field(default_factory=dict)
    """The rules in files of `skip_from`, with their lines."""
    folders: dict[str, str] = field(default_factory=dict)
    """The folders of shared files, by their names in spans."""

    def span(self, loc: Loc) -> Span:
        """The place of the value; for a value that is not in the file, the place of its nearest parent."""
        while loc and loc not in self.nodes:
            loc = loc[:-1]
        if not loc:
            return TOP
        node = self.nodes[loc]
        if not isinstance(node, Scalar) and loc in self.keys:
            # For a block, point at its key: its own span covers all of it.
            return self.keys[loc].span
        return node.span

    def key_span(self, loc: Loc) -> Span:
        return self.keys[loc].span if loc in self.keys else self.span(loc)

    def written(self, loc: Loc) -> Scalar | None:
        node = self.nodes.get(loc)
        return node if isinstance(node, Scalar) else None


def make_document(root: Node, complaints: Complaints) -> Document:
    """Raises Stop, after reporting, if the root is not a mapping or a limit is exceeded."""
    document = Document()
    if not isinstance(root, Mapping):
        what = "a list" if isinstance(root, Sequence) else "a single value"
        hint = "a job starts with `version: 1`"
        raise complaints.stop(
            rules.WRONG_TYPE, root.span._replace(end_line=root.span.line), f"contains {what}, not a job", hint
        )
    document.data = _Converter(document, complaints).mapping(root, ())
    return document


class _Converter:
    def __init__(self, document: Document, complaints: Complaints) -> None:
        self._document = document
        self._complaints = complaints
        self._count = 0

    def value(self, node: Node, loc: Loc) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise too_many(self._complaints, node.span)
        if len(loc) > MAX_DEPTH:
            raise too_deep(self._complaints, node.span)
        self._document.nodes[loc] = node
        if isinstance(node, Mapping):
            return self.mapping(node, loc)
        if isinstance(node, Sequence):
            return [self.value(item, (*loc, index)) for index, item in enumerate(node.items)]
        if node.value is None:
            return self._null(node, loc)
        if node.plain and _LEADING_ZERO.fullmatch(node.text):
            self._document.settled.add(loc)
            hint = "drop the leading zero, or quote the value if it is text"
            message = f"{quoted(node.text)}: some parsers read a number with a leading zero as octal"
            self._complaints.add(rules.WRONG_TYPE, node.span, message, hint)
        return node.value

    def mapping(self, node: Mapping, loc: Loc) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, child in node.pairs:
            if not isinstance(key, Scalar) or not isinstance(key.value, str):
                span = key.span._replace(end_line=key.span.line, end_column=key.span.column + 1)
                shown = quoted(key.text) if isinstance(key, Scalar) else "this"
                self._complaints.add(rules.WRONG_TYPE, span, f"{shown} is not a valid key; keys are words")
                continue
            if key.value in data:
                first = self._document.keys[*loc, key.value].span
                message = f"duplicate key {quoted(key.value)}, first used in line {first.line}"
                self._complaints.add(rules.DUPLICATE_KEY, key.span, message, "keep one of the two")
                continue
            place = (*loc, key.value)
            self._document.keys[place] = key
            data[key.value] = self.value(child, place)
        return data

    def _null(self, node: Scalar, loc: Loc) -> Any:
        if node.text == "~" and _may_be_home(loc):
            return "~"
        self._document.settled.add(loc)
        key = self._document.keys.get(loc)
        name = quoted(key.value) if key else "this item"
        hint = "give it a value, or remove it"
        if node.text == "~":
            hint = 'YAML reads a lone ~ as "no value"; for your home folder, quote it: "~"'
        self._complaints.add(rules.NO_VALUE, key.span if key else node.span, f"{name} has no value", hint)
        return None


def _may_be_home(loc: Loc) -> bool:
    """Places where the schema allows a lone ~ (null in YAML), because people mean their home folder."""
    return loc in (("relative_path",), ("general", "relative_path")) or (
        len(loc) == 3 and loc[0] == "sources" and loc[2] == "path"
    )
