"""Resolves paths of job files to absolute ones: `~`, `${VAR}`, and relative to the job file's own folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..targets.models import TARGET_MODELS
from . import rules
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .recipients import is_key

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What paths are resolved against. `home` is None if unknown."""

    folder: str
    env: Mapping[str, str]
    home: str | None


class Unresolvable(Exception):  # noqa: N818 - carries complaints, not a fault
    """Why a path cannot be resolved: a (code, message, hint) for each reason."""

    def __init__(self, reasons: list[tuple[str, str, str | None]]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


def expand(text: str, around: Surroundings) -> str:
    """The absolute path, without "." and ".." (removed lexically, without disk access). Raises Unresolvable.

    `$${` is a literal `${`.
    """
    reasons: list[tuple[str, str, str | None]] = []
    if "\0" in text:
        reasons.append((rules.BAD_PATH, "a path must not contain NUL", None))
    tail = text
    head = ""
    if text == "~" or text.startswith("~/"):
        head, tail = around.home or "", text[1:]
        if not head.startswith("/"):
            reasons.append((rules.UNSET_VARIABLE, "~ cannot be resolved: HOME is not set to a folder", "set HOME"))
    elif text.startswith("~"):
        hint = f"write the full path; for a file of that name, write {quoted('./' + text)}"
        reasons.append((rules.BAD_PATH, f"{quoted(text)}: only your own ~ is expanded", hint))
    tail = _VARIABLE.sub(lambda match: _substitute(match, around.env, reasons), tail)
    if reasons:
        raise Unresolvable(reasons)
    path = os.path.normpath(os.path.join(around.folder, head + tail))
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise Unresolvable([(rules.BAD_PATH, f"{quoted(path)} contains an unpaired surrogate", None)]) from None
    # POSIX allows a special meaning for exactly two leading slashes; here they are one.
    return "/" + path.lstrip("/")


def _substitute(match: re.Match[str], env: Mapping[str, str], reasons: list[tuple[str, str, str | None]]) -> str:
    if match[1] is None:
        return "${"
    name, given, default = match[1].partition(":-")
    if not match[2] or not _NAME.fullmatch(name):
        shown = quoted(match[0])
        reasons.append(
            (
                rules.BAD_PATH,
                f"{shown} is not a variable reference",
                "write ${NAME} or ${NAME:-default}; $${ is a literal ${",
            )
        )
        return ""
    value = env.get(name, "") or default
    if not value and not given:
        state = "is empty" if name in env else "is not set"
        reasons.append(
            (
                rules.UNSET_VARIABLE,
                f"the variable {name} {state}",
                f"set {name}, write the value itself, or a default: ${{{name}:-…}}",
            )
        )
    return value


IN_TEXTS = (("", "name"), ("target", "bucket"), ("target", "prefix"), ("target", "namespace"), ("target", "region"))
"""Values besides paths in which variables are expanded."""


def expand_texts(document: Document, env: Mapping[str, str], complaints: Complaints) -> None:
    """Put the values of variables into texts of a job, before the models see them; report those that are not set."""
    for block_name, key in IN_TEXTS:
        loc: Loc = (block_name, key) if block_name else (key,)
        block = document.data.get(block_name) if block_name else document.data
        text = block.get(key) if isinstance(block, dict) else None
        if not isinstance(text, str) or "${" not in text or loc not in document.nodes:
            continue
        reasons: list[tuple[str, str, str | None]] = []
        value = _VARIABLE.sub(lambda match: _substitute(match, env, reasons), text)  # noqa: B023 - called at once
        for code, message, hint in reasons:
            complaints.add(code, document.span(loc), message, hint)
        if reasons:
            document.settled.add(loc)
        else:
            assert isinstance(block, dict)
            block[key] = value


def resolve_all(document: Document, around: Surroundings, complaints: Complaints) -> dict[Loc, str]:
    """Every path of the job that can be resolved, by location; reports the others."""
    found: dict[Loc, str] = {}
    for loc, text in path_texts(document.data):
        if loc in document.settled or not isinstance(text, str) or not text:
            continue
        try:
            found[loc] = expand(text, beside(around, document, loc))
        except Unresolvable as error:
            for code, message, hint in error.reasons:
                complaints.add(code, document.span(loc), message, hint)
    return found


def beside(around: Surroundings, document: Document, loc: Loc) -> Surroundings:
    """Those of the file in which a value is written."""
    folder = document.folders.get(document.span(loc).file, "") if loc in document.nodes else ""
    return replace(around, folder=folder) if folder else around


def resolve_outputs(document: Document, around: Surroundings, found: dict[Loc, str], complaints: Complaints) -> None:
    """Add the paths of what commands print to those in `found`: below `relative_path`, wherever the job file is."""
    sources = document.data.get("sources")
    base = Surroundings(found.get(("relative_path",), "/"), around.env, around.home)
    for index, source in enumerate(sources if isinstance(sources, list) else []):
        loc: Loc = ("sources", index, "path")
        text = source.get("path") if isinstance(source, dict) and "command" in source else None
        if not isinstance(text, str) or loc in document.settled:
            continue
        parts = text.split("/")
        if text.startswith(("/", "~")) or not all(parts) or {".", ".."} & set(parts):
            message = f"{quoted(text)}: the stored path of a command's output is relative and names a file"
            complaints.add(rules.BAD_PATH, document.span(loc), message, "e.g. dumps/shop.sql")
            continue
        try:
            found[loc] = expand(text, base)
        except Unresolvable as error:
            for code, message, hint in error.reasons:
                complaints.add(code, document.span(loc), message, hint)


def path_texts(data: dict[str, Any]) -> Iterator[tuple[Loc, object]]:
    """Every path in a job as written, with its location."""
    sources = data.get("sources")
    for index, source in enumerate(sources if isinstance(sources, list) else []):
        if isinstance(source, dict) and "command" not in source:
            yield ("sources", index, "path"), source.get("path")
            yield from _listed(("sources", index, "skip_from"), source.get("skip_from"))
    yield from _listed(("skip_from",), data.get("skip_from"))
    yield ("relative_path",), data.get("relative_path")
    yield ("work_directory",), data.get("work_directory")
    target = data.get("target")
    if isinstance(target, dict) and (model := TARGET_MODELS.get(str(target.get("type")))):
        yield from ((("target", *keys), text) for keys, text in model.paths(target))
    metrics = data.get("metrics")
    if isinstance(metrics, dict):
        yield ("metrics", "textfile"), metrics.get("textfile")
    encryption = data.get("encryption")
    if isinstance(encryption, dict):
        yield ("encryption", "key_file"), encryption.get("key_file")
        listed = encryption.get("recipients")
        for index, value in enumerate(listed if isinstance(listed, list) else ()):
            if not is_key(value):
                yield ("encryption", "recipients", index), value
    catalog = data.get("catalog")
    if isinstance(catalog, dict):
        yield ("catalog", "cache"), catalog.get("cache")
    else:
        yield ("catalog",), catalog


def _listed(loc: Loc, texts: object) -> Iterator[tuple[Loc, object]]:
    for index, text in enumerate(texts if isinstance(texts, list) else []):
        yield (*loc, index), text


def source_paths(paths: dict[Loc, str]) -> dict[Loc, str]:
    """Of resolved paths, those of the sources themselves."""
    return {loc: path for loc, path in paths.items() if loc[0] == "sources" and loc[2:] == ("path",)}
