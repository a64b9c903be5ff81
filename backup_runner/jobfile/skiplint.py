"""Detects skip patterns that can never match, those that exclude a whole source, and `!` rules without effect."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import NamedTuple

from ..patterns.globs import Rules, compile_rules
from . import rules
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .mistaken import is_regex
from .paths import source_paths
from .relations import holds, is_directory

_PROBES = (b"q7", b".q7", b"Q7.q7q", b"7q Q7", b"q-7_q.tar.gz", b"\xc3\xa9q7")
"""Arbitrary names: a pattern that matches all of them matches everything."""

_MOST_TEXT = 32 * 1024
"""Characters of patterns, counting the job's once per source: a hostile file could take seconds to compile."""

_SPECIAL = re.compile(r"[*?\[\\]")
_NOT_ENTERED = "skipped folders are never entered; skip what is in the folder instead, e.g. `build/*` for `build/`"

_cached_rules = lru_cache(maxsize=256)(compile_rules)


class _Line(NamedTuple):
    """`file` is that of `skip_from`, whose lines are not quoted; `number` the line there."""

    loc: Loc
    text: str
    file: str = ""
    number: int = 0


def is_skipped(document: Document, source: Loc, root: str, path: str, *, is_dir: bool) -> bool:
    """Whether the source's rules exclude `path`, below `root`; True if there are too many rules to check."""
    if _too_long(document):
        return True
    inner = os.fsencode(path[len(root.rstrip("/")) + 1 :])
    decision = _rules(_lines(document, source), document, source).decide(inner, is_dir=is_dir) if inner else None
    return decision is not None and decision.skip


def check_skips(document: Document, paths: dict[Loc, str], complaints: Complaints) -> None:
    """Report patterns of the job and its sources, unless there are too many to check."""
    if _too_long(document):
        return
    sources = {loc[:2]: path for loc, path in source_paths(paths).items()}
    _never(_own(document, ("skip",)), _of_files(document, ()), list(sources.values()), document, complaints)
    defeated: dict[Loc, tuple[str, str]] = {}
    for source, path in sources.items():
        own = _own(document, (*source, "skip"))
        folder = is_directory(path)
        if own and folder is False:
            span = document.key_span((*source, "skip"))
            message = f"{quoted(path)} is a file, so its skip rules can never match"
            complaints.add(rules.SKIP_NEVER, span, message, "remove them")
            continue
        _never(own, _lines(document, source)[: -len(own) or None], [path], document, complaints)
        if folder is not False:
            lines = _lines(document, source)
            _everything(lines, _rules(lines, document, source), document, complaints)
            defeated |= _defeated(lines, document, source)
    for loc, (message, hint) in defeated.items():
        complaints.add(rules.SKIP_DEFEATED, document.span(loc), message, hint)


def _too_long(document: Document) -> bool:
    sources = document.data["sources"]
    shared = sum(len(text) for text in document.data.get("skip", []))
    own = sum(len(text) for source in sources for text in source.get("skip", []))
    for loc, lines in document.skip_files.items():
        own += sum(len(text) for _, text in lines) * (len(sources) if len(loc) == 2 else 1)
    return shared * len(sources) + own > _MOST_TEXT


def _own(document: Document, loc: Loc) -> list[_Line]:
    block = document.data if len(loc) == 1 else document.data["sources"][loc[1]]
    return [_Line((*loc, index), text) for index, text in enumerate(block.get("skip", []))]


def _lines(document: Document, source: Loc) -> list[_Line]:
    return [line for loc in ((), source) for line in (*_of_files(document, loc), *_own(document, (*loc, "skip")))]


def _of_files(document: Document, loc: Loc) -> list[_Line]:
    """The rules in files that the job (`loc` is ()) or a source names."""
    named = (document.data if not loc else document.data["sources"][loc[1]]).get("skip_from", [])
    found = []
    for place, texts in document.skip_files.items():
        if place[:-2] == loc:
            found += [_Line(place, text, str(named[place[-1]]), number) for number, text in texts]
    return found


def _rules(lines: list[_Line], document: Document, source: Loc) -> Rules:
    own = document.data["sources"][source[1]].get("skip_case_insensitive")
    ignore_case = document.data.get("skip_case_insensitive", False) if own is None else own
    return _cached_rules(tuple(line.text for line in lines), ignore_case=ignore_case)


def _never(
    lines: list[_Line], before: list[_Line], roots: list[str], document: Document, complaints: Complaints
) -> None:
    hides = any(_hides(line.text) for line in before)
    for line in lines:
        reason = _why_never(line.text, roots)
        if reason is None and line.text.startswith("!") and not hides:
            reason = ("no rule before it skips what it would re-include", "move it below the rule it narrows")
        if reason is not None:
            message = f"the pattern {quoted(line.text)} can never match: {reason[0]}"
            complaints.add(rules.SKIP_NEVER, document.span(line.loc), message, reason[1])
        elif is_regex(line.text):
            message = f"{quoted(line.text)} looks like a regular expression; skip patterns are gitignore's"
            complaints.add(rules.SKIP_REGEX, document.span(line.loc), message, "e.g. *.tmp for .*\\.tmp$")
        hides = hides or _hides(line.text)


def _hides(text: str) -> bool:
    return not text.startswith("!") and bool(_cached_rules((text,)))


def _why_never(text: str, roots: list[str]) -> tuple[str, str] | None:
    """(reason, hint) if the pattern cannot match below any of the roots."""
    if text.startswith("#"):
        return "gitignore treats it as a comment", f"write {quoted(chr(92) + text)}"
    pattern = text.removeprefix("!")
    if pattern.startswith(("~/", "${")) or pattern == "~":
        return "~ and ${…} are not expanded in patterns", "write it relative to the source, e.g. /cache"
    parts = pattern.removesuffix("/").removeprefix("/").split("/")
    if any(part in (".", "..") for part in parts):
        return 'stored paths have no "." or ".." components', "write it relative to the source, e.g. /cache"
    if not _cached_rules((text,)):
        return "it is blank or has an unclosed bracket", "see `man gitignore` for the syntax"
    if "" in parts:
        return "stored paths have no empty components", "write a single slash"
    for root in roots:
        # Below another root the same pattern could match.
        if len(roots) == 1 and root != "/" and holds(root, pattern.rstrip("/")):
            inner = pattern[len(root.rstrip("/")) :] or "/"
            return "patterns are relative to the source, not to /", f"write {quoted(inner)}"
    return None


def _defeated(lines: list[_Line], document: Document, source: Loc) -> dict[Loc, tuple[str, str]]:
    """Message and hint for each `!` rule of the job whose files are in a folder that stays skipped."""
    found = {}
    compiled = _rules(lines, document, source)
    for index, line in enumerate(lines):
        if line.file or not line.text.startswith("!"):
            continue
        pattern = line.text[1:].removesuffix("/")
        *folders, name = pattern.removeprefix("/").split("/")
        if not folders and "/" not in pattern and not _SPECIAL.search(name):
            hides = _cached_rules(tuple(one.text for one in lines[:index] if _hides(one.text)))
            if hides and not hides.could_match(os.fsencode(name)):
                message = f"the pattern {quoted(line.text)} re-includes nothing: no rule before it matches that name"
                found[line.loc] = message, _NOT_ENTERED
            continue
        for stop in range(1, len(folders) + 1):
            above = "/".join(folders[:stop])
            decision = None if _SPECIAL.search(above) else compiled.match(os.fsencode(above), is_dir=True)
            if decision is not None and decision.skip:
                rule = _shown(lines[decision.line], line, document)
                message = f"the pattern {quoted(line.text)} re-includes nothing: {rule}"
                found[line.loc] = f"{message} skips the folder {quoted(above + '/')}", _NOT_ENTERED
                break
    return found


def _shown(line: _Line, beside: _Line, document: Document) -> str:
    if line.file:
        return f"a rule in {quoted(line.file)}, line {line.number},"
    return f"{quoted(line.text)} ({document.span(line.loc).seen_from(document.span(beside.loc))})"


def _everything(lines: list[_Line], compiled: Rules, document: Document, complaints: Complaints) -> None:
    deciding = set()
    for probe in _PROBES:
        for folder in (False, True):
            decision = compiled.match(probe, is_dir=folder)
            if decision is None or not decision.skip:
                return
            deciding.add(decision.line)
    last = max(deciding)
    # It is fine to skip everything first and re-include some of it.
    if any(line.text.startswith("!") for line in lines[min(deciding) + 1 :]):
        return
    line = lines[last]
    what = f"line {line.number} of {quoted(line.file)}" if line.file else f"the pattern {quoted(line.text)}"
    message = f"{what} excludes everything in a source"
    complaints.add(rules.SKIP_ALL, document.span(line.loc), message, "narrow it, or re-include files with a `!` rule")
