"""A job as it is after `extends`, as a job file that could replace it, with the origin of each shared value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml.comments import CommentedMap

from .diagnostics import Complaints, printable
from .document import Document, Loc, make_document
from .extending import ADDED, SharedFiles
from .formatting import dump, format_text, round_trip
from .paths import path_texts
from .yamltext import parse, read_text

_NARROW = re.compile(r"(?m)(?<=\S) # (?=[^\n#]+:[0-9]+$)")


def resolved_text(path: str, given: frozenset[str]) -> str:
    """The text of the job. Variables are not expanded, and what the config file gives (`given`) is only named.

    Raises Stop if the file or one that it extends cannot be read; load it first, to report why."""
    complaints = Complaints(printable(path))
    document = make_document(parse(read_text(path, complaints, confined=True), complaints), complaints)
    shared = SharedFiles(confined=True).extend(document, path, complaints)
    data = document.data
    data.pop("extends", None)
    _turn_paths(document, os.path.dirname(os.path.abspath(path)))
    yaml = round_trip()
    head = [f"# {complaints.file}"]
    if shared:
        head[0] += f", which extends {', '.join(one.label for one in shared)}"
    if rest := sorted(given - set(data)):
        head.append(f"# From the config file: {', '.join(rest)}")
    text = dump(yaml, _commented(document, data, ()))
    laid_out = _NARROW.sub("  # ", format_text(text, Complaints(path)))
    return "\n".join([*head, "", laid_out])


def _turn_paths(document: Document, folder: str) -> None:
    """Relative paths of shared files start at the folder of the job file instead."""
    for loc, text in list(path_texts(document.data)):
        home = document.folders.get(document.span(loc).file, folder) if loc in document.nodes else folder
        if home == folder or not isinstance(text, str) or text.startswith(("/", "~", "${")):
            continue
        value: Any = document.data
        for step in loc[:-1]:
            value = value[step]
        value[loc[-1]] = os.path.relpath(os.path.normpath(os.path.join(home, text)), folder)


def _commented(document: Document, data: dict[str, Any], loc: Loc) -> CommentedMap:
    """A block with the file and line of each shared value behind it."""
    block = CommentedMap()
    for key, value in data.items():
        place = (*loc, key)
        inner = isinstance(value, dict) and not loc
        block[key] = _commented(document, value, place) if inner else value
        origins = [] if inner else sorted(set(_origins(document, place, value)))
        if origins:
            block.yaml_add_eol_comment(", ".join(origins), key, column=0)
    return block


def _origins(document: Document, loc: Loc, value: object) -> Iterator[str]:
    items = [(*loc, index) for index in range(len(value))] if isinstance(value, list) else []
    for place in items if loc[-1] in ADDED else [loc]:
        node = document.nodes.get(place)
        if node is not None and node.span.file in document.folders:
            yield f"{node.span.file}:{node.span.line}"
