"""Parses a file's bytes into a tree of nodes, within limits; nothing is built from a file that exceeds them.

Works on ruamel's event stream: aliases are never expanded here, and parsing a hostile file stops
as soon as it exceeds a limit.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from ..beneath import leads_elsewhere
from ..foreign import describe
from . import rules
from .characters import find_refused
from .diagnostics import Complaints, Span, printable
from .nodes import Mapping, Node, Scalar, Sequence, resolve_plain
from .syntax import explain

MAX_BYTES = 128 * 1024
MAX_DEPTH = 20
MAX_VALUES = 10_000
"""Values in a file, with aliases counted in full."""

TOP = Span(1, 1, 1, 1)
READER_ERRORS = (
    *(YAMLError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError, AssertionError, RuntimeError),
)
"""ruamel.yaml raises plain Python errors for some input, such as a comment between a key and its value."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_TAGS = {Scalar: "str", Sequence: "seq", Mapping: "map"}


def read_text(path: str, complaints: Complaints, *, confined: bool = False) -> str:
    """The file's text. Raises Stop after reporting.

    `confined` is for checking files that others wrote: symlinks to files elsewhere are not followed, because
    messages quote lines."""
    if confined and leads_elsewhere(path):
        hint = "give the path of the file itself"
        raise complaints.stop(rules.UNREADABLE, TOP, "is a symlink to a file outside its folder", hint)
    try:
        data = _read(path)
    except OSError as error:
        pattern = isinstance(error, FileNotFoundError) and glob.has_magic(path)
        text = "no file matches this pattern" if pattern else f"cannot be read: {describe(error)}"
        raise complaints.stop(rules.UNREADABLE, TOP, text, None if pattern else _other_name(path)) from None
    except ValueError:
        raise complaints.stop(rules.UNREADABLE, TOP, "cannot be read: a path must not contain NUL") from None
    if data is None:
        if os.path.isdir(path):
            hint = "give a job file; `validate`, `fmt` and `migrate` also accept folders with *.yaml or *.yml files"
            raise complaints.stop(rules.UNREADABLE, TOP, "is a folder, not a job file", hint)
        raise complaints.stop(rules.UNREADABLE, TOP, "is not a regular file")
    if len(data) > MAX_BYTES:
        raise complaints.stop(rules.LIMIT, TOP, f"is larger than {MAX_BYTES // 1024} KiB, the limit for job files")
    return _decode(data, complaints)


def _other_name(path: str) -> str | None:
    """A suggestion for a job file that does not exist."""
    for ending in (".yaml", ".yml"):
        if os.path.isfile(path + ending):
            return f"did you mean {printable(path + ending)}?"
    if os.path.lexists(path):
        return None
    if os.path.isabs(path):
        return "check the path"
    return f"relative paths start at {printable(os.getcwd())}"


def _read(path: str) -> bytes | None:
    """The file's bytes, at most one more than allowed; None if it is not a regular file. A FIFO must not block us."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _decode(data: bytes, complaints: Complaints) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise complaints.stop(rules.NOT_UTF8, TOP, "is UTF-16, not UTF-8", "save the file as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        span = _span_at(data[: error.start].decode("utf-8"), error.start)
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise complaints.stop(rules.NOT_UTF8, span, message, "save the file as UTF-8") from None
    if refused := find_refused(text):
        raise complaints.stop(rules.CHARACTER, _span_at(text, refused.at), refused.message, refused.hint)
    return text


def _span_at(text: str, index: int) -> Span:
    lines = split_lines(text[:index])
    line, column = len(lines), len(lines[-1]) + 1
    return Span(line, column, line, column + 1)


def split_lines(text: str) -> list[str]:
    """The text's lines as the YAML parser counts them."""
    return _LINE_END.split(text)


def parse(text: str, complaints: Complaints) -> Node:
    """The tree of the only document. Raises Stop after reporting."""
    builder = _Builder(complaints)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        raise explain(error, split_lines(text), complaints) from None
    except READER_ERRORS:
        raise complaints.stop(rules.SYNTAX, builder.span, "invalid YAML from here on") from None
    if builder.root is None or (isinstance(builder.root, Scalar) and builder.root.value is None):
        hint = "a job starts with `version: 1`"
        raise complaints.stop(rules.EMPTY, TOP, "is empty", hint)
    return builder.root


class _Builder:
    """Builds the tree from events; tracks the path from the root to the current node."""

    def __init__(self, complaints: Complaints) -> None:
        self.root: Node | None = None
        self.span = TOP
        self._complaints = complaints
        self._documents = 0
        self._values = 0
        self._open: list[tuple[Sequence | Mapping, str | None, list[Node]]] = []
        self._anchors: dict[str, Node | None] = {}

    def take(self, event: Any) -> None:
        self.span = _span(event, self._complaints.file)
        if isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, CollectionEndEvent):
            self._close()
        elif isinstance(event, AliasEvent):
            self._add(self._aliased(event), None)
        elif isinstance(event, NodeEvent):
            self._node(event)

    def _start_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            hint = "put each job into its own file"
            raise self._complaints.stop(rules.DOCUMENTS, self.span, "a second document starts here", hint)
        if event.version is not None or event.tags:
            hint = "remove the lines that begin with %"
            raise self._complaints.stop(rules.SYNTAX, TOP, "YAML directives are not supported in job files", hint)

    def _aliased(self, event: AliasEvent) -> Node:
        name = str(event.anchor)
        node = self._anchors.get(name)
        if node is not None:
            return node
        shown = printable(name)
        if name in self._anchors:
            message, hint = f"the alias *{shown} refers to itself", None
        else:
            message = f"unknown alias *{shown}: no anchor of that name above"
            hint = f'if it is text, quote it: "*{shown}"'
        raise self._complaints.stop(rules.ALIAS, self.span, message, hint)

    def _node(self, event: Any) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise too_many(self._complaints, self.span)
        anchor = None if event.anchor is None else str(event.anchor)
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, SequenceStartEvent):
            node = Sequence(self.span)
        else:
            assert isinstance(event, MappingStartEvent)
            node = Mapping(self.span, flow=bool(event.flow_style))
        if event.tag is not None and str(event.tag) != f"tag:yaml.org,2002:{_TAGS[type(node)]}":
            message = f"the tag {printable(_short_tag(event))} is not supported in job files"
            self._complaints.add(rules.TAG, self.span, message, "remove it; quote the value to make it text")
        if isinstance(node, Scalar):
            self._add(node, anchor)
            return
        if len(self._open) >= MAX_DEPTH:
            raise too_deep(self._complaints, self.span)
        if anchor is not None:
            self._anchors[anchor] = None
        self._open.append((node, anchor, []))

    def _scalar(self, event: ScalarEvent) -> Scalar:
        # JSON writes characters beyond U+FFFF as two escapes, and YAML must read all of JSON.
        text = str(event.value).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if bad := _SURROGATE.search(text):
            message = f"an unpaired surrogate (U+{ord(bad[0]):04X}) is not text"
            self._complaints.add(rules.CHARACTER, self.span, message, "write the whole character")
            text = _SURROGATE.sub("\ufffd", text)
        plain = bool(event.implicit[0])
        return Scalar(self.span, text, plain, resolve_plain(text) if plain else text)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1][2].append(node)
        else:
            self.root = node

    def _close(self) -> None:
        node, anchor, children = self._open.pop()
        # For the parser, a block ends where the next token starts: after blank lines and comments.
        if self.span.column == self.span.end_column and children:
            node.span = node.span._replace(end_line=children[-1].span.end_line, end_column=children[-1].span.end_column)
        else:
            node.span = node.span._replace(end_line=self.span.end_line, end_column=self.span.end_column)
        if isinstance(node, Sequence):
            node.items = children
        else:
            node.pairs = list(zip(children[::2], children[1::2], strict=True))
        self._add(node, anchor)


def _short_tag(event: Any) -> str:
    return re.sub("^tag:yaml.org,2002:", "!!", str(event.tag))


def too_many(complaints: Complaints, span: Span) -> Exception:
    """Report too many values."""
    message = f"has more than {MAX_VALUES} values (counting aliases in full)"
    return complaints.stop(rules.LIMIT, span, message)


def too_deep(complaints: Complaints, span: Span) -> Exception:
    """Report too deep nesting."""
    return complaints.stop(rules.LIMIT, span, f"is nested deeper than {MAX_DEPTH} levels")


def _span(event: Any, file: str) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1, file)
