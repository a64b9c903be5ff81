"""Canonical formatting of job files: ordered keys, two spaces per level, comments and anchors kept.

ruamel formats the file and `layout` orders its keys. The result is checked: if it does not parse as the same
job with the same comments and anchors, the original is kept.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.representer import RoundTripRepresenter

from .aligning import align_comments
from .characters import escape_refused
from .comments import find_comments
from .diagnostics import Complaints, Stop
from .document import Document, make_document
from .extending import only_shared
from .layout import reorder
from .nodes import Mapping, Node, Scalar
from .nodes import Sequence as SequenceNode
from .yamltext import READER_ERRORS, parse, split_lines

_ROUNDS = 4
_OF_JOBS = frozenset({"extends", "sources", "target", "directories", "dir_paths"})


class _Representer(RoundTripRepresenter):
    """Writes "no value" as `~`, which means the home folder; a formatted file has no other null."""


_Representer.add_representer(
    type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "~")
)


def format_text(text: str, complaints: Complaints) -> str:
    """The job file in canonical layout. Idempotent.

    Raises Stop, after reporting, if the text cannot be a job's YAML; keys and values are not checked.
    """
    _read(text, complaints)
    if complaints.failed:
        raise Stop
    current = text
    for _ in range(_ROUNDS):
        following = _once(current)
        if following == current:
            return current
        current = following
    return text


def is_job(text: str) -> bool:
    """Whether this looks like a job of any version: other YAML files next to jobs must not be rewritten.

    Text that cannot be parsed counts as a job, so that the error is reported."""
    found = _try_read(text)
    return found is None or not _OF_JOBS.isdisjoint(found[1].data) or only_shared(found[1])


def _once(text: str) -> str:
    lined = "\n".join(split_lines(text))
    for attempt in [*_lay_out(lined), lined]:
        for candidate in (_ordered(attempt), attempt):
            tidy = None if candidate is None else _tidy(candidate)
            if tidy is not None and _same(text, tidy):
                return tidy
    return text


def round_trip() -> YAML:
    """ruamel's parser and emitter, set to our layout. Comments, anchors, quotes and flow style are kept."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def dump(yaml: YAML, data: Any) -> str:
    """Dumps what `yaml` loaded."""
    stream = io.StringIO()
    yaml.dump(data, stream)
    # ruamel would write an escaped character literally, which makes the file unreadable.
    return escape_refused(stream.getvalue())


def _lay_out(text: str) -> list[str]:
    """ruamel's output with and without re-indented comments; empty if ruamel fails."""
    try:
        yaml = round_trip()
        laid_out = dump(yaml, yaml.load(text))
    except READER_ERRORS:
        return []
    before, after = _try_read(text), _try_read(laid_out)
    if before is None or after is None:
        return []
    return [align_comments((text, before[0]), (laid_out, after[0])), laid_out]


def _ordered(text: str) -> str | None:
    found = _try_read(text)
    return None if found is None else reorder(text, *found)


def _tidy(text: str) -> str | None:
    """No trailing blanks, at most one blank line in a row, none at start or end; multi-line values are unchanged."""
    found = _try_read(text)
    if found is None:
        return None
    fixed = set(_inside_values(found[0]))
    lines: list[str] = []
    for number, line in enumerate(split_lines(text), 1):
        if number in fixed:
            lines.append(line)
        elif line.strip() or (lines and lines[-1].strip()):
            lines.append(line.rstrip(" \t"))
    return "\n".join(lines).rstrip("\n") + "\n"


def _inside_values(node: Node) -> Iterator[int]:
    if isinstance(node, Scalar):
        if node.span.end_line > node.span.line:
            yield from range(node.span.line, node.span.end_line + 1)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _inside_values(item)
    elif isinstance(node, Mapping):
        for key, value in node.pairs:
            yield from _inside_values(key)
            yield from _inside_values(value)


def _same(text: str, other: str) -> bool:
    one, two = _try_read(text), _try_read(other)
    if one is None or two is None or repr(_plain(one[1].data)) != repr(_plain(two[1].data)):
        return False
    comments = [
        sorted(re.sub(r"\s+", " ", item.text) for item in find_comments(*pair))
        for pair in ((text, one[0]), (other, two[0]))
    ]
    return comments[0] == comments[1] and _anchors(text) == _anchors(other)


def _plain(data: Any) -> Any:
    """A form with sorted keys for comparing content; types count (1 is not true)."""
    if isinstance(data, dict):
        return sorted((key, _plain(value)) for key, value in data.items())
    return [_plain(item) for item in data] if isinstance(data, list) else data


def _anchors(text: str) -> list[tuple[str, bool]]:
    events = YAML(typ="safe", pure=True).parse(text)
    named = ((str(event.anchor), isinstance(event, AliasEvent)) for event in events if getattr(event, "anchor", None))
    return sorted(named)


def _read(text: str, complaints: Complaints) -> tuple[Node, Document]:
    root = parse(text, complaints)
    return root, make_document(root, complaints)


def _try_read(text: str) -> tuple[Node, Document] | None:
    complaints = Complaints("")
    try:
        found = _read(text, complaints)
    except Stop:
        return None
    return None if complaints.failed else found
