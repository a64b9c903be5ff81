"""Results of `validate` as JUnit XML: one test case per file, so that CI lists files like tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from .sarif import relative

if TYPE_CHECKING:
    from ..jobfile import Diagnostic, LoadResult


def junit(result: LoadResult, *, strict: bool) -> str:
    """An XML document. A file fails on errors, with `strict` also on warnings; other warnings become its output."""
    cases = []
    failures = 0
    for file in result.sources:
        found = [item for item in result.diagnostics if item.file == file]
        failing = [item for item in found if strict or item.severity == "error"]
        failures += bool(failing)
        cases.append(_case(file, failing, [item for item in found if item not in failing]))
    counts = f'tests="{len(cases)}" failures="{failures}" errors="0"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="backup-runner validate" {counts} time="0">',
        f'  <testsuite name="job files" {counts} skipped="0" time="0">',
        *cases,
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines)


def _case(file: str, failing: list[Diagnostic], others: list[Diagnostic]) -> str:
    name = relative(file)
    lines = [f'    <testcase classname="job file" name={_attribute(name)} time="0">']
    if failing:
        first = failing[0]
        more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
        message = _attribute(f"{first.line}:{first.column}: {first.code} {first.message}{more}")
        lines.append(f'      <failure type="{first.code}" message={message}>{_text(failing)}</failure>')
    if others:
        lines.append(f"      <system-out>{_text(others)}</system-out>")
    return "\n".join([*lines, "    </testcase>"])


def _text(items: Iterable[Diagnostic]) -> str:
    shown = []
    for item in items:
        hint = f"\n    hint: {item.hint}" if item.hint else ""
        shown.append(f"{item.file}:{item.line}:{item.column}: {item.severity} {item.code}: {item.message}{hint}")
    return escape(_allowed("\n".join(shown)))


def _attribute(text: str) -> str:
    return quoteattr(_allowed(text))


def _allowed(text: str) -> str:
    """Without characters that XML 1.0 (2.2) does not allow."""
    return "".join(c if c in "\n\t" or (c.isprintable() and c not in "\ufffe\uffff") else "\ufffd" for c in text)
