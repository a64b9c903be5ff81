"""Skip rules with the semantics of gitignore (gitignore(5)), on bytes.

A rule without a slash matches names at any depth; one with a leading or inner slash is
anchored at the root of the source. The last rule that matches decides. Matching a million names must be
very cheap, so each folder first checks whether any rule could match a name at all.

Rules that ignore case are compiled for lower-case names, and names are lowered before they are compared; of ASCII
letters only, as git does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from .wildmatch import Last, Pattern, compile_pattern


class Decided(NamedTuple):
    """The line that decided (its index in the compiled lines), and its result."""

    line: int
    skip: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    line: int
    negated: bool
    folders_only: bool
    by_name: bool
    pattern: Pattern

    def active_in(self, folder: bytes) -> bool:
        """Whether it could match a direct child of `folder` (b"" or a path that ends in a slash)."""
        if self.by_name:
            return True
        if self.pattern.depth is not None and folder.count(b"/") != self.pattern.depth:
            return False
        if folder.startswith(self.pattern.start):
            return True
        return self.pattern.start.startswith(folder) and b"/" not in self.pattern.start[len(folder) :]


class FolderRules:
    """The rules that may apply to the direct children of one folder.

    `could_skip_file` and `could_skip_folder` are None where no rule applies; otherwise they return quickly, sometimes
    wrongly True, whether a name needs `match`.
    """

    __slots__ = ("_ignore_case", "_rules", "could_skip_file", "could_skip_folder")

    def __init__(self, rules: Sequence[_Rule], *, ignore_case: bool = False) -> None:
        self._rules = tuple(reversed(rules))
        self._ignore_case = ignore_case
        gates = (
            _gate(rule.pattern.last for rule in rules if not rule.folders_only),
            _gate(rule.pattern.last for rule in rules),
        )
        self.could_skip_file, self.could_skip_folder = map(_lowering, gates) if ignore_case else gates

    def match(self, folder: bytes, name: bytes, *, is_dir: bool) -> Decided | None:
        """The last rule that matches `folder + name`, if any does."""
        if self._ignore_case:
            folder, name = folder.lower(), name.lower()
        path = folder + name
        for rule in self._rules:
            if (is_dir or not rule.folders_only) and rule.pattern.regex.fullmatch(name if rule.by_name else path):
                return Decided(rule.line, not rule.negated)
        return None

    def skips(self, folder: bytes, name: bytes, *, is_dir: bool) -> bool:
        """Whether `folder + name` is skipped, given that its parents are not."""
        decision = self.match(folder, name, is_dir=is_dir)
        return decision is not None and decision.skip


class Rules:
    """Compiled skip rules. Paths are relative to the source's root, without a slash at either end."""

    def __init__(self, rules: Sequence[_Rule], *, ignore_case: bool = False) -> None:
        self._rules = tuple(rules)
        self._ignore_case = ignore_case
        self._by_active: dict[tuple[int, ...], FolderRules] = {}
        self._anchored = any(not rule.by_name for rule in rules)
        self._everywhere = FolderRules(self._rules, ignore_case=ignore_case)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def folder(self, folder: bytes) -> FolderRules:
        """The rules for the children of `folder`: b"" for the root, else a path that ends in a slash."""
        if not self._anchored:
            return self._everywhere
        if self._ignore_case:
            folder = folder.lower()
        active = [rule for rule in self._rules if rule.active_in(folder)]
        index = tuple(rule.line for rule in active)
        if index not in self._by_active:
            self._by_active[index] = FolderRules(active, ignore_case=self._ignore_case)
        return self._by_active[index]

    def could_match(self, name: bytes) -> bool:
        """Whether any rule could match an entry of this name, in some folder; at times wrongly True."""
        gate = self._everywhere.could_skip_folder
        return gate is not None and gate(name)

    def match(self, path: bytes, *, is_dir: bool) -> Decided | None:
        """The last rule that matches `path` itself, regardless of its parents."""
        folder, slash, name = path.rpartition(b"/")
        return self.folder(folder + slash).match(folder + slash, name, is_dir=is_dir)

    def decide(self, path: bytes, *, is_dir: bool) -> Decided | None:
        """Like `git check-ignore -v`: a skipped parent decides for everything below it."""
        at = path.find(b"/")
        while at >= 0:
            decision = self.match(path[:at], is_dir=True)
            if decision and decision.skip:
                return decision
            at = path.find(b"/", at + 1)
        return self.match(path, is_dir=is_dir)


def compile_rules(lines: Sequence[bytes | str], *, ignore_case: bool = False) -> Rules:
    """Compile gitignore lines; later ones win, so job-wide lines come before those of a source.

    Blank lines, comments and rules that can never match (an unclosed bracket) are counted as lines and
    otherwise ignored.
    """
    compiled = (_rule(number, _text(line), ignore_case=ignore_case) for number, line in enumerate(lines))
    return Rules([rule for rule in compiled if rule is not None], ignore_case=ignore_case)


def _text(line: bytes | str) -> bytes:
    """The pattern as git reads it from a file: without line end and unescaped trailing spaces."""
    raw = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
    raw = raw.partition(b"\0")[0].removesuffix(b"\n").removesuffix(b"\r")
    if raw.startswith(b"#"):
        return b""
    kept = at = 0
    while at < len(raw):
        space = raw[at] == ord(" ")
        at += 2 if raw[at] == ord("\\") else 1
        if not space:
            kept = at
    return raw[:kept]


def _rule(line: int, text: bytes, *, ignore_case: bool) -> _Rule | None:
    negated = text.startswith(b"!")
    pattern = text[1:] if negated else text
    folders_only = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    by_name = b"/" not in pattern
    compiled = compile_pattern(pattern.removeprefix(b"/"), by_name=by_name, ignore_case=ignore_case)
    return compiled and _Rule(line, negated, folders_only, by_name, compiled)


def _lowering(gate: Callable[[bytes], bool] | None) -> Callable[[bytes], bool] | None:
    return gate and (lambda name: gate(name.lower()))


def _gate(lasts: Iterable[Last]) -> Callable[[bytes], bool] | None:
    """One cheap check for many rules: could any of them match this name?"""
    by_how: dict[str, set[bytes]] = {how: set() for how in ("is", "ends", "starts", "regex", "any")}
    for last in lasts:
        by_how[last.how].update(last.what)
    names, ends, starts = frozenset(by_how["is"]), tuple(by_how["ends"]), tuple(by_how["starts"])
    if by_how["any"]:
        return lambda name: True
    if by_how["regex"]:
        fullmatch = re.compile(b"|".join(sorted(by_how["regex"])), re.DOTALL).fullmatch
        return lambda name: (
            name in names or name.endswith(ends) or name.startswith(starts) or fullmatch(name) is not None
        )
    if starts:
        return lambda name: name in names or name.endswith(ends) or name.startswith(starts)
    if ends:
        return lambda name: name in names or name.endswith(ends)
    return names.__contains__ if names else None


NO_RULES: Final = compile_rules([])
