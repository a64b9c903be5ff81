"""Imports go downwards only, and the outside world is known to few: read from the source, not by importing it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "backup_runner"

# Topmost first. Within a layer, a group is one line of `|`: its modules may import each other.
LAYERS: list[tuple[str, list[str]]] = [
    ("cli", ["cli|__main__"]),
    ("api", ["api"]),
    ("report", ["report"]),
    (
        "engines",
        [
            "applying|planning|restoring|verifying|recovery|oneshot|repository|runs|contents|source|workers|options|progress"
        ],
    ),
    ("edges", ["jobfile", "catalog", "targets"]),
    ("system", ["beneath", "replacing", "inert"]),
    ("container", ["container"]),
    ("types", ["spec", "patterns"]),
    ("base", ["errors|foreign", "records", "policy", "moments"]),
]
PURE = ("container", "types", "base")

ONLY_IN = {
    "sqlite3": ("catalog", "recovery.backup_tool_database"),
    "sqlite_utils": ("catalog", "recovery.backup_tool_database"),
    "oci": ("targets.oci",),
    "ruamel": ("jobfile",),
    "rich": ("report",),
    "jinja2": ("report",),
    "squarify": ("report",),
    "typer": ("cli",),
}
NOTED: set[tuple[str, str]] = set()
"""(importing group, imported group) of one layer, where that is meant."""

IMPURE = {
    *("time", "random", "secrets", "pathlib", "shutil", "subprocess", "tempfile", "socket"),
    *("multiprocessing", "signal", "glob", "logging", "rich", "sqlite3", "oci", "typer", "ruamel"),
}
HARMLESS_OS = {"urandom", "fsencode", "fsdecode", "strerror"}
CLOCKS = {"now", "today", "utcnow"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    """`catalog.lock` for backup_runner/catalog/lock.py, `catalog` for its __init__, "" for the root's."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(name: str) -> tuple[int, str, str] | None:
    """(depth, layer, group) of a module; None if the table does not have it."""
    top = name.split(".")[0]
    for depth, (layer, groups) in enumerate(LAYERS):
        for group in groups:
            if any(fnmatch(top, pattern) for pattern in group.split("|")):
                return depth, layer, group
    return None


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a file imports; our own modules as `.catalog.lock`."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.replace("backup_runner", "", 1)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".") if node.module else []
            if node.level:
                base = list(package[: len(package) - node.level + 1])
                if base or module:
                    yield node.lineno, "." + ".".join(base + module)
                else:
                    yield from ((node.lineno, f".{alias.name}") for alias in node.names)
            elif module[0] == "backup_runner":
                yield node.lineno, "." + ".".join(module[1:] or [alias.name for alias in node.names][:1])
            else:
                yield node.lineno, node.module or ""


def offences(path: Path) -> Iterator[str]:
    name = name_of(path)
    here = place(name)
    if here is None:
        yield f"{name} has no layer: put it into the table"
        return
    for line, target in imports(path):
        where = f"{path.relative_to(ROOT.parent)}:{line}"
        if not target.startswith("."):
            top = target.split(".")[0]
            owners = ONLY_IN.get(top)
            if owners and not any(fnmatch(name, owner) or fnmatch(name, f"{owner}.*") for owner in owners):
                yield f"{where}: only {', '.join(owners)} may import {top}"
            if here[1] in PURE and top in IMPURE:
                yield f"{where}: {name} is pure and may not import {top}"
            continue
        there = place(target[1:])
        if target == ".__version__":
            continue
        if there is None:
            yield f"{where}: {target} has no layer"
        elif there[0] < here[0]:
            yield f"{where}: {here[1]} imports {target}, which lies above it in {there[1]}"
        elif there[0] == here[0] and there[2] != here[2] and (here[2], there[2]) not in NOTED:
            yield f"{where}: {name} and {target} are of one layer and may not know each other"


def impure_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        where = f"{path.relative_to(ROOT.parent)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "os" and node.attr not in HARMLESS_OS:
                yield f"{where}: os.{node.attr}"
            if node.value.id in {"datetime", "date"} and node.attr in CLOCKS:
                yield f"{where}: {node.value.id}.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield f"{where}: open()"


def test_there_is_something_to_read() -> None:
    assert len(modules()) > 30


def test_imports_go_downwards() -> None:
    found = [offence for path in modules() if name_of(path) for offence in offences(path)]
    assert not found, "\n".join(found)


def test_pure_layers_touch_nothing() -> None:
    found = []
    for path in modules():
        here = place(name_of(path))
        if here and here[1] in PURE:
            found += impure_calls(path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("catalog.lock", "edges"), ("restoring.run", "engines"), ("container.header", "container"), ("nothing", None)],
)
def test_the_table_is_read_as_meant(name: str, expected: str | None) -> None:
    found = place(name)
    assert (found[1] if found else None) == expected


def test_the_map_of_the_code_names_every_module() -> None:
    named = set(re.findall(r"`([a-z_]+)(?:/|\.py)?`", (ROOT.parent / "docs" / "code.md").read_text()))
    there = {name_of(path).split(".")[0] for path in modules()} - {""}
    assert there - named == set()
