"""Warnings about one job: allowed, but probably a mistake."""

from __future__ import annotations

import os
import re

from ..spec import Guards, Job
from . import rules
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .leaks import looks_secret
from .mistaken import odd_path
from .nodes import Scalar
from .paths import path_texts, source_paths
from .relations import holds
from .skiplint import check_skips, is_skipped

_HOME = re.compile(r"/(?:home|Users)/(?!Shared(?:/|$))[^/$~]+(?=/|$)|/root(?=/|$)")


def lint(document: Document, paths: dict[Loc, str], job: Job, complaints: Complaints) -> None:
    """Report warnings for a job without errors."""
    name = document.span(("name",))
    if job.retention is None:
        hint = "e.g. `retention: {keep_last: 3, keep_daily: 14, keep_monthly: 12}`"
        complaints.add(rules.NO_RETENTION, name, "no `retention`: every snapshot is kept forever", hint)
    _guards(document, job, complaints)
    _key_file(document, paths, complaints)
    _homes(document, complaints)
    _odd_paths(document, paths, complaints)
    check_skips(document, paths, complaints)


def lint_secrets(document: Document, complaints: Complaints) -> None:
    """Report values that look like secrets, also in a job with errors, so that no message shows them."""
    seen: set[int] = set()
    for loc, node in document.nodes.items():
        # Thousands of aliases may repeat one long value.
        if id(node) in seen or loc in document.settled:
            continue
        seen.add(id(node))
        if isinstance(node, Scalar) and _is_text(node) and looks_secret(node.text):
            key = next((step for step in reversed(loc) if isinstance(step, str)), "")
            message = f"{quoted(key)} looks like it contains a secret" if key else "this looks like a secret"
            hint = "read it from a file or the environment, and change the secret if it is real"
            complaints.add(rules.SECRET_VALUE, node.span, message, hint, secret=True)


def _is_text(node: Scalar) -> bool:
    return isinstance(node.value, str) or len(node.text) >= 22


def _guards(document: Document, job: Job, complaints: Complaints) -> None:
    sources = document.data["sources"]
    if "guards" not in document.data and not all("guards" in source for source in sources):
        usual = Guards()
        message = (
            f"no `guards`: the defaults apply (stop below {usual.min_files} file, above "
            f"{usual.max_change_percent} % changed or {usual.max_delete_percent} % deleted)"
        )
        hint = f"set them explicitly, e.g. `guards: {{max_delete_percent: {usual.max_delete_percent}}}`"
        complaints.add(rules.NO_GUARDS, document.span(("name",)), message, hint)
    elif all(_stops_nothing(source.guards) for source in job.sources):
        message = "these guards never stop a run: every file may change or vanish unnoticed"
        place: Loc = ("guards",) if "guards" in document.data else ("sources",)
        complaints.add(rules.NO_GUARDS, document.span(place), message, "lower one of the percentages")


def _stops_nothing(guards: Guards) -> bool:
    return guards == Guards(min_files=0, max_change_percent=100, max_delete_percent=100, require_mount=False)


def _key_file(document: Document, paths: dict[Loc, str], complaints: Complaints) -> None:
    loc: Loc = ("encryption", "key_file")
    if loc not in paths:
        return
    for source, path in source_paths(paths).items():
        for key, root in ((paths[loc], path), (os.path.realpath(paths[loc]), os.path.realpath(path))):
            if holds(root, key) and not is_skipped(document, source[:2], root, key, is_dir=False):
                line = document.span(source).seen_from(document.span(loc))
                message = f"the key file {quoted(paths[loc])} is inside the source of {line}, {quoted(path)}"
                hint = "move it elsewhere or skip it, and keep a copy off this machine"
                complaints.add(rules.KEY_IN_SOURCE, document.span(loc), message, hint)
                break


def _homes(document: Document, complaints: Complaints) -> None:
    for loc, text in path_texts(document.data):
        found = _HOME.match(text) if isinstance(text, str) and loc in document.nodes else None
        if found:
            message = f"{quoted(found[0])} is the home folder of one user"
            hint = f"write {quoted('~' + str(text)[found.end() :])}, or a variable"
            complaints.add(rules.CERTAIN_HOME, document.span(loc), message, hint)


def _odd_paths(document: Document, paths: dict[Loc, str], complaints: Complaints) -> None:
    for loc, text in path_texts(document.data):
        if not isinstance(text, str) or loc not in document.nodes or os.path.lexists(paths.get(loc, "")):
            continue
        if found := odd_path(text, source=loc[0] == "sources" and loc[2:] == ("path",)):
            complaints.add(rules.ODD_PATH, document.span(loc), f"{quoted(text)} looks like {found[0]}", found[1])
