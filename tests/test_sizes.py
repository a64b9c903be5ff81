"""Nothing is larger than a reader can hold: the limits of CONTRIBUTING.md, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE_LINES, CLASS_LINES, FUNCTION_LINES = 350, 200, 50
ATTRIBUTES, PARAMETERS = 12, 7
EXCUSE = "Larger than usual, because"
"""With these words, a docstring says why a thing is better so; a comment, where users read the docstring."""

Sized = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def attributes(node: ast.ClassDef) -> set[str]:
    """What instances have: fields of the class's body, and what methods set on `self`."""
    fields = {
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and "ClassVar" not in ast.unparse(item)
    }
    stored = {
        item.attr
        for item in ast.walk(node)
        if isinstance(item, ast.Attribute)
        and isinstance(item.ctx, ast.Store)
        and isinstance(item.value, ast.Name)
        and item.value.id == "self"
    }
    return fields | stored


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names of all that callers hand in. Those of a command are its options, and users need what they need."""
    of = node.args
    if any(one.annotation is not None and ast.unparse(one.annotation) == "typer.Context" for one in of.args):
        return []
    every = [*of.posonlyargs, *of.args, *of.kwonlyargs, *filter(None, (of.vararg, of.kwarg))]
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def is_excused(node: Sized, text: str) -> bool:
    """Above the first statement of what it is about."""
    if not node.body:
        return False
    doc = ast.get_docstring(node, clean=False)
    first = node.body[1 if doc is not None and len(node.body) > 1 else 0]
    above = text.splitlines()[getattr(node, "lineno", 1) - 1 : first.end_lineno]
    return any(EXCUSE in line for line in above)


def trouble(node: Sized, text: str, lines: int) -> Iterator[str]:
    if is_excused(node, text):
        return
    most = {ast.Module: FILE_LINES, ast.ClassDef: CLASS_LINES}.get(type(node), FUNCTION_LINES)
    if lines > most:
        yield f"{lines} lines, {most} are allowed"
    if isinstance(node, ast.ClassDef) and len(found := attributes(node)) > ATTRIBUTES:
        yield f"{len(found)} attributes, {ATTRIBUTES} are allowed"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and len(given := parameters(node)) > PARAMETERS:
        yield f"{len(given)} parameters, {PARAMETERS} are allowed"


def troubles(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    yield from (f": {said}" for said in trouble(tree, text, text.count("\n")))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # Decorators are other people's lines: a command's options stand there.
            lines = (node.end_lineno or 0) - node.lineno + 1
            yield from (f":{node.lineno}: {node.name} has {said}" for said in trouble(node, text, lines))


def test_nothing_is_too_large() -> None:
    files = [*ROOT.glob("backup_runner/**/*.py"), ROOT / "docs/recover.py"]
    found = [f"{path.relative_to(ROOT)}{said}" for path in sorted(files) for said in troubles(path.read_text())]
    assert not found, "\n".join(found)


def test_what_is_too_large_is_found() -> None:
    fields = "\n".join(f"    a{at}: int" for at in range(13))
    assert list(troubles(f"class A:\n{fields}\n")) == [":1: A has 13 attributes, 12 are allowed"]
    names = ", ".join("abcdefgh")
    assert list(troubles(f"def f({names}): ...\n")) == [":1: f has 8 parameters, 7 are allowed"]
    assert list(troubles("def f():\n" + "    pass\n" * 50)) == [":1: f has 51 lines, 50 are allowed"]
    assert list(troubles(f'def f():\n    """{EXCUSE} it is a list."""\n' + "    pass\n" * 50)) == []
    assert list(troubles("\n" * 351)) == [": 351 lines, 350 are allowed"]
