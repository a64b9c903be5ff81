"""Checks the paths of one job against each other: no nested sources, bucket outside, relative_path above.

Looks at the disk (stat, readlink) to detect two names of one place; works without it, too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from . import rules
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .paths import source_paths


def check_relations(document: Document, paths: dict[Loc, str], complaints: Complaints) -> None:
    """Report each violation; unresolved paths are left out."""
    all_sources = source_paths(paths)
    outputs = {loc: path for loc, path in all_sources.items() if "command" in document.data["sources"][loc[1]]}
    sources = {loc: path for loc, path in all_sources.items() if loc not in outputs}
    _outputs(document, sources, outputs, complaints)
    real = {loc: os.path.realpath(path) for loc, path in sources.items()}
    _overlaps(document, sources, real, complaints)
    bucket = paths.get(("target", "path"))
    if bucket is not None:
        _bucket(document, sources, bucket, complaints)
    base = paths.get(("relative_path",))
    if base is not None:
        _base(document, all_sources, base, complaints)
    for loc in (("catalog",), ("catalog", "cache")):
        if loc in paths and os.path.isdir(paths[loc]):
            message = f"the catalog {quoted(paths[loc])} is a folder"
            complaints.add(rules.BAD_PATH, document.span(loc), message, "name a file, e.g. catalog.db in it")


def is_directory(path: str) -> bool | None:
    """Whether the path is a directory or a symlink to one; None if unknown."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return None


def holds(outer: str, inner: str) -> bool:
    """Whether `inner` is `outer` or below it; both absolute and normalised."""
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def _outputs(document: Document, sources: dict[Loc, str], outputs: dict[Loc, str], complaints: Complaints) -> None:
    """What commands print may be stored in the folder of a source, but not in place of one, nor below a file."""
    _overlaps(document, outputs, outputs, complaints)
    for loc, path in outputs.items():
        for other, source in sources.items():
            if path == source or (holds(source, path) and is_directory(source) is False):
                line = document.span(other).seen_from(document.span(loc))
                message = f"the output of this command would be stored in place of the source of {line}"
                complaints.add(rules.OVERLAP, document.span(loc), message, "give it another path")


def _overlaps(document: Document, sources: dict[Loc, str], real: dict[Loc, str], complaints: Complaints) -> None:
    told: set[Loc] = set()
    for view in (sources, real):
        outer: Loc | None = None
        # Sorted with a trailing slash, everything inside a folder directly follows it.
        order = sorted(view, key=lambda loc: (view[loc].rstrip("/") + "/", loc[1]))
        for loc in order:
            if outer is None or not holds(view[outer], view[loc]):
                outer = loc
                continue
            if loc in told or outer in told:
                continue
            told.add(loc)
            _tell_overlap(document, loc, outer, sources, complaints)


def _tell_overlap(document: Document, inner: Loc, outer: Loc, sources: dict[Loc, str], complaints: Complaints) -> None:
    line = document.span(outer).seen_from(document.span(inner))
    if sources[inner] == sources[outer]:
        message = f"duplicate source {quoted(sources[inner])}, first in {line}"
        hint = "remove one of the two"
    elif holds(sources[outer], sources[inner]):
        message = f"the source {quoted(sources[inner])} is inside the one of {line}, {quoted(sources[outer])}"
        hint = "remove the inner one; the outer one includes it"
    else:
        message = f"the source {quoted(sources[inner])} leads into the one of {line}, {quoted(sources[outer])}"
        hint = "a symlink makes two sources overlap; remove one of them"
    complaints.add(rules.OVERLAP, document.span(inner), message, hint)


def _bucket(document: Document, sources: dict[Loc, str], bucket: str, complaints: Complaints) -> None:
    views: list[Callable[[str], str]] = [str, os.path.realpath]
    for loc, path in sources.items():
        if any(holds(view(bucket), view(path)) for view in views):
            message = f"the source {quoted(path)} is inside the bucket directory {quoted(bucket)}"
            complaints.add(rules.BUCKET_IN_SOURCE, document.span(loc), message, "keep bucket and sources apart")
        elif any(holds(view(path), view(bucket)) for view in views):
            span = document.span(("target", "path"))
            line = document.span(loc).seen_from(span)
            message = f"the bucket directory {quoted(bucket)} is inside the source of {line}, {quoted(path)}"
            complaints.add(rules.BUCKET_IN_SOURCE, span, message, "keep bucket and sources apart")


def _base(document: Document, sources: dict[Loc, str], base: str, complaints: Complaints) -> None:
    span = document.span(("relative_path",))
    if is_directory(base) is False:
        complaints.add(rules.NOT_A_PARENT, span, f"relative_path {quoted(base)} is not a folder", "name a folder")
        return
    for loc, path in sources.items():
        if not holds(base, path):
            line = document.span(loc).seen_from(span)
            message = f"relative_path {quoted(base)} does not contain the source of {line}, {quoted(path)}"
            complaints.add(rules.NOT_A_PARENT, span, message, f"use {_common(sources)} or a folder above it")


def _common(sources: dict[Loc, str]) -> str:
    return quoted(os.path.commonpath([os.path.dirname(path) for path in sources.values()]))
