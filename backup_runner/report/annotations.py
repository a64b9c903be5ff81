"""Results of `validate` as workflow commands, which GitHub shows next to the lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .sarif import relative

if TYPE_CHECKING:
    from ..jobfile import Diagnostic


def workflow_commands(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """One line each: `::error file=…,line=…,title=…::message`.

    GitHub shows ten of a step beside their lines, and of the others only the message, which therefore says where."""
    for item in diagnostics:
        fields = {"file": relative(item.file), "line": item.line, "endLine": item.end_line}
        if item.line == item.end_line:
            # GitHub accepts columns only within a single line; the end column is inclusive.
            fields |= {"col": item.column, "endColumn": max(item.column, item.end_column - 1)}
        fields["title"] = item.code
        shown = ",".join(f"{name}={_property(str(value))}" for name, value in fields.items())
        text = f"{fields['file']}:{item.line}:{item.column}: {item.message}" + (
            f"\nhint: {item.hint}" if item.hint else ""
        )
        yield f"::{item.severity} {shown}::{_data(text)}"


def _data(text: str) -> str:
    # Escapes that GitHub does not decode stay visible; `##[` would act even inside a line.
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace("##", "#\\x23")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
