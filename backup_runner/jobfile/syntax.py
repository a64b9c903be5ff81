"""Helpful syntax errors: what the parser rejected, and what was probably meant."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError

from . import rules
from .diagnostics import Complaints, Span, Stop, printable

_STARTS = {
    "%": 'a value cannot start with %; quote it: "%…"',
    "@": 'a value cannot start with @; quote it: "@…"',
    "`": "a value cannot start with a backquote; use double quotes",
}
_LATE = "could not find expected ':'"
"""Reported by the parser lines after the key in question."""


def explain(error: MarkedYAMLError, lines: list[str], complaints: Complaints) -> Stop:
    """Report a syntax error; the caller raises the returned Stop."""
    problem = str(error.problem or error)
    mark = error.problem_mark or error.context_mark
    if problem.startswith(_LATE) and error.context_mark:
        mark = error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    # The end of the file shows nothing: point after the last line with content.
    last = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].strip()), 0)
    if line > last:
        line, column = last, len(lines[last])
    span = Span(line + 1, column + 1, line + 1, column + 2)
    here = lines[line][column:] if line < len(lines) else ""
    if here.startswith("{") and lines[line][:column].endswith("$"):
        advice = "quote a path that contains ${…} inside [ ] or { }"
        return complaints.stop(rules.SYNTAX, span, "unexpected {", advice)
    code, message, hint = _wording(problem, here, str(error.context or ""))
    return complaints.stop(code, span, message, hint)


def _wording(problem: str, here: str, context: str) -> tuple[str, str, str | None]:
    if "'\\t'" in problem or (here.startswith("\t") and "cannot start any token" in problem):
        return rules.TAB, "a tab in the indentation", "indent with spaces"
    if "cannot start any token" in problem and here[:1] in _STARTS:
        return rules.SYNTAX, f"{here[:1]} has a special meaning in YAML", _STARTS[here[:1]]
    if problem == "mapping values are not allowed here":
        hint = 'quote a value that contains ": ", or check the indentation'
        return rules.SYNTAX, 'unexpected ":"', hint
    if "end of stream" in problem or "<stream end>" in problem:
        return rules.SYNTAX, f"the file ends {_inside(context)}", "close the quote or bracket"
    if match := re.match(r"found unknown escape character '(.)'", problem):
        hint = "double the backslash, or use single quotes"
        return rules.SYNTAX, f"\\{printable(match[1])} is not a valid escape in double quotes", hint
    if problem.startswith("expected <block end>"):
        return rules.SYNTAX, "wrong indentation for this block", "align it with the lines above"
    if problem.startswith(_LATE):
        return rules.SYNTAX, 'a key without ":"', "write `key: value`"
    return rules.SYNTAX, f"invalid YAML: {printable(problem)}", None


def _inside(context: str) -> str:
    found = re.search(r"(flow sequence|flow mapping|quoted scalar)", context)
    names = {"flow sequence": "inside a [list]", "flow mapping": "inside a {block}", "quoted scalar": "inside quotes"}
    return names[found[1]] if found else "too early"
