"""Imports go downwards only, and the outside world is known to few: read from the source, not by importing it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "backup_runner"
BASE = "errors foreign records moments"

# Each folder (or module of the root), topmost first, and all that it imports; imports inside of functions count, too.
TABLE: dict[str, str] = {
    "__main__": "cli foreign",
    "cli": "api report runs replacing inert errors foreign",
    "api": "runs applying oneshot planning restoring verifying recovery repository workers catalog targets jobfile "
    "container beneath spec patterns options progress records errors foreign",
    "report": "planning recovery repository catalog targets jobfile container inert spec progress reasons " + BASE,
    "runs": "planning replacing inert spec progress errors foreign",
    "applying": "planning recovery repository contents workers source catalog targets container options progress spec "
    "policy records reasons errors foreign",
    "oneshot": "repository contents catalog jobfile targets container replacing options spec records errors foreign",
    "planning": "repository contents source catalog container replacing patterns options progress spec policy reasons "
    + BASE,
    "restoring": "repository contents workers source catalog targets container patterns options progress spec " + BASE,
    "verifying": "repository contents workers catalog targets container options progress records errors",
    "recovery": "repository contents catalog targets container replacing progress " + BASE,
    "repository": "contents catalog targets container replacing spec policy reasons " + BASE,
    "contents": "source catalog targets container policy records errors",
    "source": "workers beneath patterns spec " + BASE,
    "workers": "errors foreign",
    "catalog": BASE,
    "jobfile": "targets beneath keytext patterns replacing spec errors foreign",
    "targets": "spec records errors foreign",
    "container": "keytext errors foreign",
    "options": "spec policy progress records",
    "progress": "records",
    "patterns": "errors",
    "spec": "",
    "policy": "",
    "beneath": "errors",
    "replacing": "",
    "inert": "",
    "records": "reasons",
    "reasons": "",
    "moments": "",
    "keytext": "errors",
    "foreign": "errors",
    "errors": "",
}
PURE = {"container", "keytext", "spec", "patterns", "policy", "errors", "foreign", "records", "reasons", "moments"}

LATE = {
    "__main__": "nothing is loaded before signals are dealt with",
    "cli": "`--help` must not load report/",
    "api": "`--help` must load no engine, `validate` no catalog and no target",
    "report": "a page's parts are not loaded for text",
    "applying.checking": "only ever needed by a first apply",
    "applying.firsts": "only ever needed by a first apply",
    "contents.cutting": "numpy takes long to load, and most runs cut no file",
    "catalog.database": "migrations take long to load, and most runs need none",
    "targets.opening": "the SDK of a service takes long to load",
}
"""Who imports our own modules inside of functions, and why."""

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


def folder_of(name: str) -> str:
    return name.split(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path, tree: ast.AST | None = None) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a file imports; our own modules as `.catalog.lock`."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree or tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.replace("backup_runner", "", 1)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".") if node.module else []
            if node.level:
                base = list(package[: len(package) - node.level + 1]) + module
                if not base:
                    yield from ((node.lineno, f".{alias.name}") for alias in node.names)
                elif is_package(base):
                    # What is named may be a module of its own, or a name that the package has from elsewhere.
                    yield from ((node.lineno, "." + ".".join(module_of([*base, alias.name]))) for alias in node.names)
                else:
                    yield node.lineno, "." + ".".join(base)
            elif module[0] == "backup_runner":
                yield node.lineno, "." + ".".join(module[1:] or [alias.name for alias in node.names][:1])
            else:
                yield node.lineno, node.module or ""


def is_package(parts: list[str]) -> bool:
    return ROOT.joinpath(*parts).is_dir()


def module_of(parts: list[str]) -> list[str]:
    found = ROOT.joinpath(*parts)
    return parts if found.is_dir() or found.with_suffix(".py").exists() else parts[:-1]


def ours(path: Path) -> Iterator[tuple[str, str]]:
    """(where, module) of the program's own modules that a file imports."""
    for line, target in imports(path):
        if target.startswith(".") and target not in (".", ".__version__"):
            yield f"{path.relative_to(ROOT.parent)}:{line}", target[1:]


def offences(path: Path) -> Iterator[str]:
    name = name_of(path)
    folder = folder_of(name)
    if folder not in TABLE:
        yield f"{name}: {folder} is not in the table"
        return
    for where, target in ours(path):
        if folder_of(target) not in {folder, *TABLE[folder].split()}:
            yield f"{where}: {folder} may not import {target}"
    for line, target in imports(path):
        where = f"{path.relative_to(ROOT.parent)}:{line}"
        top = target.split(".")[0]
        if target.startswith("."):
            continue
        owners = ONLY_IN.get(top)
        if owners and not any(fnmatch(name, owner) or fnmatch(name, f"{owner}.*") for owner in owners):
            yield f"{where}: only {', '.join(owners)} may import {top}"
        if folder in PURE and top in IMPURE:
            yield f"{where}: {name} is pure and may not import {top}"


def only_for_types(path: Path) -> set[int]:
    """Lines below `if TYPE_CHECKING`, which nothing runs."""
    return {
        inner.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
        if isinstance(inner, ast.ImportFrom)
    }


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


def test_imports_are_in_the_table() -> None:
    found = [offence for path in modules() if name_of(path) for offence in offences(path)]
    assert not found, "\n".join(found)


def test_the_table_goes_downwards() -> None:
    order = list(TABLE)
    up = [(upper, lower) for upper, all_of in TABLE.items() for lower in all_of.split() if lower not in order]
    up += [
        (upper, lower)
        for upper, all_of in TABLE.items()
        for lower in all_of.split()
        if order.index(lower) <= order.index(upper)
    ]
    assert not up


def test_the_table_has_nothing_that_is_not_so() -> None:
    there = {(folder_of(name_of(path)), folder_of(target)) for path in modules() for _, target in ours(path)}
    told = {(upper, lower) for upper, all_of in TABLE.items() for lower in all_of.split()}
    assert not told - there
    assert not TABLE.keys() - {folder_of(name_of(path)) for path in modules()}


def test_no_circle_of_modules() -> None:
    """Inside of folders too, imports in functions included; those for types alone run never."""
    graph: dict[str, set[str]] = {}
    for path in modules():
        skipped = {f":{line}" for line in only_for_types(path)}
        seen = (target for where, target in ours(path) if ":" + where.rpartition(":")[2] not in skipped)
        graph[name_of(path)] = {target for target in seen if target != name_of(path)}
    # Raises CycleError, which names them.
    assert len(list(TopologicalSorter(graph).static_order())) >= len(modules())


def test_imports_inside_of_functions_have_a_reason() -> None:
    found = set()
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef) and any(one.startswith(".") for _, one in imports(path, node)):
                name = name_of(path)
                found.add(name if name in LATE else folder_of(name))
    assert found - {""} == set(LATE)


LOADERS = {"import_module", "__import__"}
BY_NAME = {
    "": "names of the API are loaded when they are first used",
    "api": "the same",
    "cli.app": "a command is loaded when it is asked for",
}
"""Who may load modules by a name in a string, which the table above cannot see."""


def test_modules_are_loaded_by_name_in_few_places() -> None:
    found = set()
    for path in modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).split(".")[-1] in LOADERS:
                found.add(name_of(path))
    assert found == set(BY_NAME)


def test_pure_layers_touch_nothing() -> None:
    found = []
    for path in modules():
        if folder_of(name_of(path)) in PURE:
            found += impure_calls(path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("planning/making.py", "from ..applying.run import apply_plan"),
        ("repository/session.py", "from ..planning import making"),
        ("cli/apply.py", "from ..applying import run"),
    ],
)
def test_an_arrow_that_is_not_in_the_table_is_found(module: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "tree_of", lambda _: ast.parse(line))
    assert [offence for offence in offences(ROOT / module) if "may not import" in offence]


def test_the_map_of_the_code_names_every_module() -> None:
    named = set(re.findall(r"`([a-z_]+)(?:/|\.py)?`", (ROOT.parent / "docs" / "code.md").read_text()))
    there = {name_of(path).split(".")[0] for path in modules()} - {""}
    assert there - named == set()


def test_the_map_of_the_code_says_what_each_folder_imports() -> None:
    """Folders alone; the small modules of the root are left out on the page."""
    page = (ROOT.parent / "docs" / "code.md").read_text()
    rows = {
        name: set(cell.split(", ")) - {"–"} for name, cell in re.findall(r"^\| `(\w+)/` \| .* \| (.*) \|$", page, re.M)
    }
    folders = {name for name in TABLE if is_package([name])}
    assert rows == {name: set(TABLE[name].split()) & folders for name in TABLE if name in folders}
    assert list(rows) == [name for name in TABLE if name in folders]
