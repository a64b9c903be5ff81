"""What CONTRIBUTING.md says of how code is written here, as far as a program can see it: read from the source."""

from __future__ import annotations

import ast
import re
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


# -- only the catalog speaks SQL

STATEMENT = re.compile(
    r"\s*(SELECT\b.+\bFROM\b|SELECT [\d*]|INSERT (OR \w+ )?INTO\b|UPDATE (\w+ SET\b|$)|DELETE FROM\b|BEGIN\b|COMMIT$|"
    r"ROLLBACK$|PRAGMA \w|CREATE (TEMP )?(TABLE|INDEX|VIEW|TRIGGER)\b|REPLACE INTO\b|WITH \w+ AS \()",
    re.DOTALL,
)
SPEAK_SQL = ("backup_runner/catalog/", "backup_runner/recovery/backup_tool_database.py")
"""The second reads a database of another tool."""


def statements(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if STATEMENT.match(text):
                yield where(path, node)
            case ast.Call(func=ast.Attribute(attr="execute" | "executemany" | "executescript" | "commit" | "rollback")):
                if "conn" in ast.unparse(node.func):
                    yield where(path, node)


def test_only_the_catalog_speaks_sql() -> None:
    paths = [path for path in modules() if not str(path.relative_to(ROOT)).startswith(SPEAK_SQL)]
    found = [line for path in paths for line in statements(path, tree_of(path))]
    assert not found, "\n".join(found)
    assert sum(len(list(statements(path, tree_of(path)))) for path in modules(below=PROGRAM / "catalog")) > 100


@pytest.mark.parametrize(
    "line",
    [
        'cat.conn.execute("SELECT id FROM store")', 'x = "DELETE FROM object WHERE id = ?"', 'x = "BEGIN IMMEDIATE"',
        'f"UPDATE {table} SET x = 1"', 'cat.conn.commit()', 'sql = "INSERT INTO path VALUES (?)"', 'n = "SELECT 1"',
    ],
)  # fmt: skip
def test_sql_is_found(line: str) -> None:
    assert list(statements(PROGRAM / "api/applies.py", ast.parse(line)))


# -- targets say what they can, and nobody asks for their attributes


def asking_attributes(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="hasattr" | "getattr" | "setattr"), args=[what, *_]) if (
                "target" in ast.unparse(what).lower()
            ):
                yield where(path, node)
            case ast.Call(func=ast.Name(id="isinstance"), args=[what, kind]) if "Target" in ast.unparse(kind):
                # What a job file says of its target is a value of the job, and no target.
                if not re.search("Target(Spec|Model)", ast.unparse(kind)) and "Error" not in ast.unparse(kind):
                    yield where(path, node)


def test_nobody_asks_targets_for_attributes_or_types() -> None:
    found = [line for path in modules() for line in asking_attributes(path, tree_of(path))]
    assert not found, "\n".join(found)


def test_asking_targets_is_found() -> None:
    for line in ('hasattr(session.target, "thaw")', "getattr(target, name)", "isinstance(target, OciTarget)"):
        assert list(asking_attributes(PROGRAM / "api/applies.py", ast.parse(line)))


# -- sizes are handed in

CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
PATCHED = {
    "LIFETIME": "seconds",
    "_LOOK": "seconds",
    "_RENEW": "seconds",
    "_PATIENCE": "seconds",
    "_COMMAND_SECONDS": "seconds",
    "SECONDS": "seconds",
    "_O_TMPFILE_WORKS": "the standard library's: whether the file system has files without a name",
}
"""Constants that tests may set: times, so that nobody waits for them, and what another system has. Never sizes."""


def patched(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(name)), *_]):
                pass
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[ast.Constant(value=str(name)), *_]):
                pass
            case _:
                continue
        last = name.rpartition(".")[2]
        if CONSTANT.fullmatch(last) and last not in PATCHED:
            yield where(path, node)


def test_no_test_patches_a_size() -> None:
    found = [line for path in modules(below=ROOT / "tests") for line in patched(path, tree_of(path))]
    assert not found, "\n".join(found)


def test_a_patched_size_is_found() -> None:
    for line in ('patch.setattr(module, "CHUNK", 7)', 'patch.setattr("backup_runner.source.reading.UNSIZED", 1)'):
        assert list(patched(ROOT / "tests/x.py", ast.parse(line)))


# -- one name, one thing

SAME_NAME = {
    "Level": "the command line has its own, so that `--help` need not load the API",
    "Overwrite": "likewise",
    "Output": "digests of jobs contain the name of the one in spec/",
    "Trailer": "suite 2 has the parts of suite 1",
}


def public_classes(sources: dict[str, ast.Module]) -> dict[str, list[str]]:
    """Where the classes of each name are defined."""
    found: dict[str, list[str]] = {}
    for name, tree in sources.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(name)
    return found


def test_no_two_classes_have_one_name() -> None:
    found = public_classes({str(path.relative_to(PROGRAM)): tree_of(path) for path in modules()})
    assert {name for name, places in found.items() if len(places) > 1} == set(SAME_NAME), found


def test_two_classes_of_one_name_are_found() -> None:
    trees = {name: ast.parse("class Found:\n    pass\n") for name in ("a.py", "b.py")}
    assert public_classes(trees) == {"Found": ["a.py", "b.py"]}


# -- nothing that nobody uses


def unused_parameters(path: Path, tree: ast.Module) -> Iterator[str]:
    """Parameters that a function never reads; those of contracts (stubs, methods of special names) apart."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("__"):
            continue
        if all(isinstance(part, ast.Expr | ast.Pass | ast.Raise | ast.Return) for part in node.body):
            continue
        read = {part.id for statement in node.body for part in ast.walk(statement) if isinstance(part, ast.Name)}
        for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            if one.arg not in {"self", "cls", *read} and not one.arg.startswith("_"):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}({one.arg})"


CALLED_BY_OTHERS = {
    "_show(at)": "a hook of the interpreter",
    "_handle(frame)": "a signal handler",
    "_at_once(frame)": "likewise",
    "_options(version)": "typer calls its callback",
    "_fill(at)": "a method of a base class",
    "_fill(stop)": "likewise",
    "put(tier)": "the contract of targets",
}


def test_parameters_are_used() -> None:
    found = [line for path in modules() for line in unused_parameters(path, tree_of(path))]
    assert {line.rpartition(" ")[2] for line in found} <= set(CALLED_BY_OTHERS), "\n".join(found)


def test_an_unused_parameter_is_found() -> None:
    tree = ast.parse("def f(a, b):\n    c = a\n    return c\n")
    assert list(unused_parameters(PROGRAM / "x.py", tree)) == ["backup_runner/x.py:1: f(b)"]
