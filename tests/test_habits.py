"""What CONTRIBUTING.md says of how code is written here, as far as a program can see it: read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from backup_runner.planning import oldreasons
from backup_runner.reasons import Cause, Finding
from backup_runner.report import reasons
from backup_runner.repository import damage

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "backup_runner"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def modules(*, below: Path = PROGRAM) -> list[Path]:
    return sorted(below.rglob("*.py"))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {ast.unparse(node)[:100]}"


# -- reasons never decide

WORDS = {"why", "message"}
"""Attributes with texts for people."""
ASKING = {"startswith", "endswith", "removeprefix", "removesuffix", "find", "index", "count", "partition", "split"}
TEXTS = {
    text.replace("{}", "").strip(", ")
    for text in (*reasons._CAUSES.values(), *reasons._FINDINGS.values(), *damage._WORDS.values(), *oldreasons._CAUSES)
} - {"", "new", "gone"}
"""What reasons say. Two of them are words that other things may be called, too; values of `Cause` are."""
HAVE_WORDS = {
    "backup_runner/report": "makes texts, and says them",
    "backup_runner/planning/oldreasons.py": "reads plan files of versions that had nothing but texts",
    "backup_runner/errors.py": "leaves a name out of a message",
    "backup_runner/targets/oci/errors.py": "the service says in words only that a key of Vault is meant",
}


def asks_words(node: ast.AST) -> bool:
    """Whether something is decided, or cut, by a text for people: compared, searched or matched."""
    match node:
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
        case ast.Call(func=ast.Attribute(attr=attr, value=value)) if attr in ASKING:
            sides = [value, *node.args]
        case ast.Call(func=ast.Attribute(attr="match" | "fullmatch" | "search")):
            sides = list(node.args)
        case _:
            return False
    return any(
        (isinstance(part, ast.Attribute) and part.attr in WORDS)
        or (isinstance(part, ast.Constant) and str(part.value).strip(", ") in TEXTS)
        for side in sides
        for part in ast.walk(side)
    )


def deciding_by_words(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        # `is None` asks whether there is a text at all.
        nothing = isinstance(node, ast.Compare) and all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)
        if not nothing and asks_words(node):
            yield where(path, node)


def test_no_words_of_a_reason_decide() -> None:
    allowed = tuple(HAVE_WORDS)
    found = [
        line
        for path in modules()
        if not str(path.relative_to(ROOT)).startswith(allowed)
        for line in deciding_by_words(path, tree_of(path))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        'action.why == "gone"',
        'action.why.startswith(("new", "hard link"))',
        'said in ("size changed", "mtime changed")',
        'error.message.removeprefix(f"{name}: ")',
        'text.endswith(", content stored already")',
        "PATTERN.fullmatch(problem.message)",
    ],
)
def test_words_that_decide_are_found(line: str) -> None:
    assert list(deciding_by_words(PROGRAM / "api/applies.py", ast.parse(f"if {line}:\n    pass")))


def test_there_are_words_for_every_reason() -> None:
    assert {*reasons._CAUSES, *damage._WORDS, Cause.METADATA} == {*Cause}
    assert {*reasons._FINDINGS} == {*Finding}
