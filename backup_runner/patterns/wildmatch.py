"""One gitignore pattern as a regex over bytes: what git's wildmatch accepts, no more and no less.

Grammar: gitignore(5) and POSIX.1-2017 XCU 2.13 (brackets and classes), with git's own corner cases.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

SLASH, STAR, BACKSLASH, BRACKET, QUESTION = b"/*\\[?"
_SPECIAL = re.compile(rb"[*?\[\\]")
_STAR_RUN = re.compile(rb"\*+")
_CLASS = re.compile(rb"\[:([^\]]*):\]")
_FEW = 32
_ALL = frozenset(range(1, 256))
_CLASSES = {
    name: frozenset(byte for byte in range(128) if re.match(members, bytes([byte])))
    for name, members in {
        b"alnum": rb"[0-9A-Za-z]",
        b"alpha": rb"[A-Za-z]",
        b"blank": rb"[ \t]",
        b"cntrl": rb"[\0-\x1f\x7f]",
        b"digit": rb"[0-9]",
        b"graph": rb"[!-~]",
        b"lower": rb"[a-z]",
        b"print": rb"[ -~]",
        b"punct": rb"[!-/:-@\[-`{-~]",
        b"space": rb"[ \t\n\r]",
        b"upper": rb"[A-Z]",
        b"xdigit": rb"[0-9A-Fa-f]",
    }.items()
}
"""ASCII only, and `space` without \\v and \\f: as in git."""


class _Op(Enum):
    STARS = b"[^/]*"
    """Anything within one component."""
    FOLDERS = b"(?:[^/]*/)*"
    """`**` and its slash: any number of whole folders, none included."""
    REST = b".*"
    """`**` at the end: everything below."""


_Token = int | frozenset[int] | _Op
"""A literal byte, a choice of bytes, or an operator."""


class Last(NamedTuple):
    """The condition of a rule's last component on a name; cheap and necessary."""

    how: str
    """`is`, `ends`, `starts`, `regex` or `any`."""
    what: tuple[bytes, ...]


_ANY = Last("any", (b"",))


class Pattern(NamedTuple):
    """A pattern, compiled for `fullmatch`."""

    regex: re.Pattern[bytes]
    start: bytes
    """The literal bytes every matching path starts with."""
    depth: int | None
    """How many slashes a matching path has, if that is fixed."""
    last: Last


def compile_pattern(text: bytes, *, by_name: bool, ignore_case: bool = False) -> Pattern | None:
    """Compile for a name alone (no slash in `text`) or for a whole path. `text` has no leading slash.

    With `ignore_case`, the pattern is for paths in lower case: of ASCII letters, either case is meant.
    None if it can never match: empty, an unclosed bracket, an unknown class, a lone backslash at the end.
    """
    tokens = _tokens(text, by_name=by_name, ignore_case=ignore_case)
    if not tokens:
        return None
    if ignore_case:
        tokens = [bytes([token]).lower()[0] if isinstance(token, int) else token for token in tokens]
    fixed = not any(token in (_Op.FOLDERS, _Op.REST) for token in tokens)
    return Pattern(
        regex=re.compile(_regex(tokens), re.DOTALL),
        start=_literal_start(tokens),
        depth=tokens.count(SLASH) if fixed else None,
        last=_last(tokens),
    )


def _tokens(pattern: bytes, *, by_name: bool, ignore_case: bool) -> list[_Token] | None:
    tokens: list[_Token] = []
    special = _SPECIAL.search(pattern)
    first_special = special.start() if special else len(pattern)
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        if byte == STAR:
            stop = at + len(_STAR_RUN.match(pattern, at)[0])  # type: ignore[index]
            # git compares the literal start separately, so `**` right after it counts as at the start.
            whole = stop - at > 1 and (at == first_special or pattern[at - 1] == SLASH)
            op = _stars(pattern[stop : stop + 2]) if whole and not by_name else _Op.STARS
            if op is not _Op.FOLDERS or tokens[-1:] != [op]:
                tokens.append(op)
            at = stop + (op is _Op.FOLDERS)
        elif byte == BRACKET:
            found = _bracket(pattern, at + 1, ignore_case=ignore_case)
            if found is None:
                return None
            tokens.append(found[0])
            at = found[1]
        elif byte == QUESTION:
            tokens.append(_ALL - {SLASH})
            at += 1
        else:
            at += byte == BACKSLASH
            if at == len(pattern):
                return None
            tokens.append(pattern[at])
            at += 1
    return tokens


def _stars(following: bytes) -> _Op:
    """What a `**` that starts a component means, by what follows it."""
    if following[:1] == b"/":
        return _Op.FOLDERS
    return _Op.REST if following in (b"", b"\\/") else _Op.STARS


def _bracket(pattern: bytes, at: int, *, ignore_case: bool) -> tuple[frozenset[int], int] | None:
    """The bytes that the bracket expression after `[` matches, and where it ends; None if malformed."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    chosen: set[int] = set()
    previous: int | None = None
    first = True
    while first or pattern[at : at + 1] != b"]":
        first = False
        rest = pattern[at : at + 2]
        named = _CLASS.match(pattern, at)
        if named:
            if named[1] not in _CLASSES:
                return None
            chosen |= _CLASSES[named[1]]
            previous, at = None, named.end()
            continue
        is_range = previous is not None and len(rest) == 2 and rest[:1] == b"-" and rest != b"-]"
        at += is_range
        at += pattern[at : at + 1] == b"\\"
        if at >= len(pattern):
            return None
        low = previous if is_range and previous is not None else pattern[at]
        chosen |= set(range(low, pattern[at] + 1))
        previous = None if is_range else pattern[at]
        at += 1
    if ignore_case:
        chosen |= set(bytes(chosen).swapcase())
    return frozenset(_ALL - chosen if negated else chosen) - {SLASH}, at + 1


def _regex(tokens: Sequence[_Token]) -> bytes:
    """Within a component, every star except the last takes the shortest match (an atomic group), which
    loses nothing and prevents exponential time for patterns with many stars."""
    out: list[bytes] = []
    is_open = False
    for at, token in enumerate(tokens):
        if token is _Op.STARS:
            out.append(b")" if is_open else b"")
            is_open = _another_star(tokens[at + 1 :])
            out.append(b"(?>[^/]*?" if is_open else _Op.STARS.value)
        else:
            out.append(_piece(token))
    return b"".join(out)


def _another_star(tokens: Sequence[_Token]) -> bool:
    for token in tokens:
        if token is _Op.STARS:
            return True
        if token == SLASH or isinstance(token, _Op):
            return False
    return False


def _piece(token: _Token) -> bytes:
    if isinstance(token, _Op):
        return token.value
    if isinstance(token, int):
        return re.escape(bytes([token]))
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(token)) + b"]" if token else b"(?!)"


def _literal_start(tokens: Sequence[_Token]) -> bytes:
    return bytes(itertools.takewhile(lambda token: isinstance(token, int), tokens))  # type: ignore[arg-type]


def _last(tokens: Sequence[_Token]) -> Last:
    cuts = [at for at, token in enumerate(tokens) if token in (SLASH, _Op.FOLDERS, _Op.REST)]
    cut = cuts[-1] if cuts else -1
    if cuts and tokens[cut] is not _Op.FOLDERS and tokens[cut] != SLASH:
        return _ANY
    if cut > 0 and tokens[cut] is _Op.FOLDERS and tokens[cut - 1] != SLASH:
        return _ANY
    name = tokens[cut + 1 :]
    if list(name) == [_Op.STARS]:
        return _ANY
    for how, fixed in (("is", name), ("ends", name[1:]), ("starts", name[:-1])):
        words = _words(fixed)
        if words and (how == "is" or name[0 if how == "ends" else -1] is _Op.STARS):
            return Last(how, words)
    return Last("regex", (_regex(name),))


def _words(tokens: Sequence[_Token]) -> tuple[bytes, ...]:
    """All strings that tokens match, if there are few: `.py[co]` is `.pyc` and `.pyo`."""
    sets = [frozenset([token]) if isinstance(token, int) else token for token in tokens]
    plain = [choice for choice in sets if not isinstance(choice, _Op)]
    if len(plain) < len(sets) or math.prod(map(len, plain)) > _FEW:
        return ()
    return tuple(map(bytes, itertools.product(*plain)))
