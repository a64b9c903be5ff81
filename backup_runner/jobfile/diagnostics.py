"""What is wrong in a job file, and where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import BackupRunnerError
from .rulebook import RULES
from .rules import UNREADABLE, Severity
from .veil import veiled


class Span(NamedTuple):
    """Lines and columns count from 1, columns in characters; the end is one past the last character.

    `file` is the name of the file in messages; "" for the one that is being checked."""

    line: int
    column: int
    end_line: int
    end_column: int
    file: str = ""

    def seen_from(self, other: Span) -> str:
        """`line 5`, or with the file's name if that is another one."""
        return f"line {self.line}" if self.file == other.file else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning. `code` is a key of `rulebook.RULES`; `secret` lines must not be shown."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str
    hint: str | None
    end_line: int
    end_column: int
    secret: bool = False


class JobFileError(BackupRunnerError):
    """The job file has errors; `diagnostics` lists all of them."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources = dict(sources)
        first = self.diagnostics[0]
        more = f" (and {len(self.diagnostics) - 1} more)" if len(self.diagnostics) > 1 else ""
        where = f"{first.file}:{first.line}:{first.column}"
        super().__init__(f"{where}: {first.code} {first.message}{more}", hint=first.hint)

    @property
    def unread(self) -> bool:
        """Whether no file could be read at all."""
        return all(item.code == UNREADABLE for item in self.diagnostics)


class Stop(Exception):  # noqa: N818 - a way out of reading one file, not a fault
    """Checking this file cannot continue; the reason was already reported."""


@dataclass(slots=True)
class Complaints:
    """Collects the diagnostics of one file."""

    file: str
    items: list[Diagnostic] = field(default_factory=list)

    def add(self, code: str, span: Span, message: str, hint: str | None = None, *, secret: bool = False) -> None:
        # The parser's marks of an empty block scalar end before they start.
        end = max((span.line, span.column), (span.end_line, span.end_column))
        self.items.append(
            Diagnostic(
                file=span.file or self.file,
                line=span.line,
                column=span.column,
                code=code,
                severity=RULES[code].severity,
                message=veiled(message),
                hint=hint and veiled(hint),
                end_line=end[0],
                end_column=end[1],
                secret=secret,
            )
        )

    @property
    def failed(self) -> bool:
        """Whether any of them is an error."""
        return any(item.severity is Severity.ERROR for item in self.items)

    def stop(self, code: str, span: Span, message: str, hint: str | None = None) -> Stop:
        self.add(code, span, message, hint)
        return Stop()

    def in_order(self) -> list[Diagnostic]:
        def order(item: Diagnostic) -> tuple[object, ...]:
            return (item.file != self.file, item.file, item.line, item.column, item.code, item.message)

        return sorted(set(self.items), key=order)


def printable(text: str) -> str:
    """The text with control and unprintable characters escaped, safe for a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(text: object, limit: int = 60) -> str:
    """A value for a message: printable, in double quotes, shortened if long."""
    shown = printable(str(text))
    return f'"{shown}"' if len(shown) <= limit else f'"{shown[: limit - 1]}…"'
