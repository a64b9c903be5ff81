"""Each message of the program says what happened, where, and what now: all of them, read from the source.

`golden.txt` has them for review; `UPDATE_GOLDEN=1 pytest tests/messages` writes it anew. A `{…}` stands for what is
filled in. Mistakes in job files have pages of their own in docs/rules.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from backup_runner.errors import BackupRunnerError
from backup_runner.report.problems import NEXT, RESTORE_NEXT

ROOT = Path(__file__).parents[2] / "backup_runner"
GOLDEN = Path(__file__).parent / "golden.txt"
GUARD_HINT = "override-guard"
"""What every guard's message is followed by, in plans and in errors."""


class Message(NamedTuple):
    """Where it is made, what kind it is, its text and its hint; "" where the kind has no hint."""

    file: str
    kind: str
    text: str
    hint: str


@cache
def error_classes() -> dict[str, type[BackupRunnerError]]:
    """All our errors by name, wherever they are defined."""
    found: dict[str, type[BackupRunnerError]] = {}
    for path in ROOT.rglob("*.py"):
        if path.name == "__main__.py" or "class " not in path.read_text():
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, BackupRunnerError):
                found[name] = value
    return found


def shown(node: ast.expr | None) -> str:
    """A text as written; what is filled in as `{…}`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(shown(part) if isinstance(part, ast.Constant) else f"{{{_inner(part)}}}" for part in node.values)
    return f"{{{ast.unparse(node)}}}" if node is not None else ""


def _inner(part: ast.expr) -> str:
    return ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ast.unparse(part)


def messages() -> Iterator[Message]:
    classes = error_classes()
    for path in sorted(ROOT.rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            name = node.func.id
            if name in classes and "diagnostics" not in vars(classes[name]).get("__init__", shown).__code__.co_varnames:
                given = next((word.value for word in node.keywords if word.arg == "hint"), None)
                hint = shown(given) if given is not None else ""
                yield Message(where, name, shown(node.args[0]), hint or classes[name].usual_hint or "")
            elif name == "GuardHit" and len(node.args) == 2:
                yield Message(where, f"guard {shown(node.args[0])}", shown(node.args[1]), GUARD_HINT)
            elif name == "Problem" and len(node.args) == 3 and isinstance(node.args[1], ast.Constant):
                kind = shown(node.args[1])
                yield Message(where, f"problem {kind}", shown(node.args[2]), NEXT.get(kind, ""))


def test_golden_file_has_them_all() -> None:
    found = sorted(set(messages()))
    assert len(found) > 250
    text = "\n".join(f"{one.file} {one.kind}\n  {one.text!r}\n  now: {one.hint!r}" for one in found) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert GOLDEN.read_text() == text, "look at the difference, then UPDATE_GOLDEN=1 pytest tests/messages"


def test_each_says_what_now() -> None:
    without = [one for one in messages() if not one.hint]
    assert not without, "\n".join(map(str, without))


def test_an_error_without_a_hint_of_its_own_has_the_usual_one() -> None:
    for kind in error_classes().values():
        if "__init__" not in vars(kind):
            assert kind("what").hint == kind.usual_hint
            assert kind("what", hint="so").hint == "so"


def test_each_says_what_happened_in_words() -> None:
    for one in messages():
        words = re.findall(r"[a-z]{2,}", re.sub(r"\{[^}]*\}", "", one.text))
        filled_in = re.fullmatch(r"\{.*\}", one.text, re.DOTALL)
        # Where, and then what another message says.
        passed_on = re.search(r": (\{[^{}]+\})+$", one.text)
        assert filled_in or passed_on or len(words) >= 2 or "strerror" in one.text, one
        assert not one.text.endswith((".", "!")), one


@pytest.mark.parametrize(("hints", "kind"), [(hints, kind) for hints in (NEXT, RESTORE_NEXT) for kind in sorted(hints)])
def test_lists_of_problems_end_with_what_to_do(hints: dict[str, str], kind: str) -> None:
    from backup_runner.report.look import Look
    from backup_runner.report.problems import problem_lines

    rows = [({"path": f"file-{number}"}, kind, "why") for number in range(30)]
    lines = list(problem_lines("Not backed up", rows, 30, Look(), see="plan --json", hints=hints))
    assert [line for line in lines if "hint:" in line] == [f"  hint: {kind}: {hints[kind]}"]


def test_a_restore_has_a_hint_for_each_kind_of_problem() -> None:
    text = "".join((ROOT / f"{name}.py").read_text() for name in ("restoring/work", "restoring/goal", "restoring/book"))
    text += "".join(
        (ROOT / f"{name}.py").read_text() for name in ("restoring/run", "restoring/files", "restoring/surplus")
    )
    kinds = set(re.findall(r'return "(\w+)", ', text)) | set(re.findall(r'(?:problem|fail)\([^"()]*"(\w+)"', text))
    assert kinds == set(RESTORE_NEXT)
