"""Results of `validate` as SARIF 2.1.0 (OASIS) for code scanning."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import __version__

if TYPE_CHECKING:
    from ..jobfile import Diagnostic, Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(diagnostics: Iterable[Diagnostic], files: Iterable[str] = ()) -> dict[str, Any]:
    """One run with all rules; a result's file is relative to the working directory if possible.

    `files` are the paths as they were named: not every name is text, and a diagnostic has what can be shown of it."""
    from ..jobfile import RULES
    from ..jobfile.diagnostics import printable

    paths = {printable(path): path for path in files}
    codes = list(RULES)
    driver = {
        "name": "Backup Runner",
        "version": __version__,
        "rules": [_rule(RULES[code]) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(item, codes.index(item.code), paths.get(item.file, item.file)) for item in diagnostics],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} {rule.help}", "markdown": f"{rule.why}\n\n**What to do:** {rule.help}"},
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _result(item: Diagnostic, index: int, path: str) -> dict[str, Any]:
    text = item.message + (f"\nHint: {item.hint}" if item.hint else "")
    region = {
        "startLine": item.line,
        "startColumn": item.column,
        "endLine": item.end_line,
        "endColumn": item.end_column,
    }
    place = {"artifactLocation": {"uri": _uri(path)}, "region": region}
    return {
        "ruleId": item.code,
        "ruleIndex": index,
        "level": str(item.severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }


def _uri(file: str) -> str:
    """RFC 3986: relative below the working directory, otherwise with a scheme."""
    path = relative(file)
    # Byte by byte, so that a name that is not UTF-8 leads to its file too.
    uri = quote(os.fsencode(path))
    return f"file://{uri}" if path.startswith("/") else uri


def relative(file: str) -> str:
    """The path from the working directory if the file is below it, else the absolute path."""
    path = os.path.abspath(file)
    here = PurePosixPath(os.getcwd())
    return str(PurePosixPath(path).relative_to(here)) if PurePosixPath(path).is_relative_to(here) else path
