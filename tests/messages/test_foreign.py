"""No text of a foreign exception is shown: every place that formats one goes through `foreign`."""

from __future__ import annotations

import ast
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_runner.errors import BackupRunnerError, CatalogError
from backup_runner.foreign import describe, sifted, trace
from tests.messages.test_messages import ROOT, error_classes

SECRET = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDI"
OURS_BUT_NO_BACKUP_RUNNER_ERROR = {"UnsafeKeyError", "BlockedError", "Unresolvable", "Stop"}


def handlers(tree: ast.AST) -> Iterator[tuple[ast.ExceptHandler, set[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name:
            kinds = {ast.unparse(one).rpartition(".")[2] for one in ast.walk(node.type or ast.Constant(""))
                     if isinstance(one, ast.Name | ast.Attribute)}  # fmt: skip
            yield node, kinds


def shown_in(node: ast.AST, name: str) -> Iterator[ast.AST]:
    """Places below `node` that turn the variable into text, or show its arguments."""
    for one in ast.walk(node):
        match one:
            case ast.FormattedValue(value=ast.Name(id=found)) if found == name:
                yield one
            case ast.Call(func=ast.Name(id="str" | "repr" | "format" | "print"), args=[ast.Name(id=found), *_]):
                if found == name:
                    yield one
            case ast.Attribute(value=ast.Name(id=found), attr="args" | "strerror") if found == name:
                yield one


def offences(path: Path) -> Iterator[str]:
    ours = set(error_classes()) | OURS_BUT_NO_BACKUP_RUNNER_ERROR
    tree = ast.parse(path.read_text())
    for handler, kinds in handlers(tree):
        if kinds <= ours:
            continue
        for place in shown_in(handler, str(handler.name)):
            yield f"{path.relative_to(ROOT)}:{place.lineno}: {ast.unparse(place)}"  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for argument in node.args.args:
                kind = ast.unparse(argument.annotation) if argument.annotation else ""
                if kind.endswith(("Error", "Exception")) and not set(kind.replace(" ", "").split("|")) <= ours:
                    for place in shown_in(node, argument.arg):
                        yield f"{path.relative_to(ROOT)}:{place.lineno}: {ast.unparse(place)}"  # type: ignore[attr-defined]
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called.startswith("traceback.") or called == "logging.exception":
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {called}"  # type: ignore[attr-defined]


ALLOWED = {
    # Only looked at, or texts that this program (or the command line's parser, of its own arguments) made.
    "cli/app.py": {"str(error)"},
    "catalog/database.py": {"str(error)"},
    "recovery/backup_tool_database.py": {"str(error)"},
    "targets/oci/errors.py": {"str(error)"},
    "restoring/work.py": {"str(error)"},
}


def test_every_place_goes_through_the_filter() -> None:
    found = [line for path in sorted(ROOT.rglob("*.py")) if path.name != "foreign.py" for line in offences(path)]
    kept = [line for line in found if line.rpartition(": ")[2] not in ALLOWED.get(line.partition(":")[0], set())]
    assert not kept, "use foreign.describe:\n" + "\n".join(kept)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError(SECRET), "ValueError"),
        (OSError(SECRET), "OSError"),
        (PermissionError(13, SECRET), "Permission denied"),
        (KeyError(SECRET), "KeyError"),
        (CatalogError("the catalog is odd"), "the catalog is odd"),
        (UnicodeDecodeError("utf-8", SECRET.encode() + b"\xff", 52, 53, SECRET), "byte 52 is not utf-8"),
    ],
)
def test_reasons(error: Exception, text: str) -> None:
    assert describe(error) == text


def test_sqlite_says_no_value() -> None:
    conn = sqlite3.connect(":memory:")
    conn.execute("CREATE TABLE t (a UNIQUE)")
    conn.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.Error) as caught:
        conn.execute("INSERT INTO t VALUES (1)")
    assert describe(caught.value) == "UNIQUE constraint failed: t.a"
    with pytest.raises(sqlite3.Error) as caught:
        conn.execute(f"SELECT 'x' {SECRET} SELECT")
    assert describe(caught.value) == "SQLITE_ERROR"


def test_a_trace_has_places_and_causes_without_their_texts() -> None:
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise BackupRunnerError("cannot do it") from error
    except BackupRunnerError as error:
        lines = trace(error)
    assert lines[0] == "BackupRunnerError: cannot do it"
    assert "ValueError: ValueError" in lines
    assert any(__file__ in line for line in lines)
    assert SECRET not in "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<html><style>b {}</style><h1>403</h1>\n<p>Blocked  by policy</p></html>", "403 Blocked by policy"),
        (f"bad key {SECRET}== here", "bad key … here"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "…"),
        ("see http://me:pass@proxy:3128/x", "see http://…proxy:3128/x"),
        ("user ocid1.user.oc1..aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffffgggggggghhhhhhhh is unknown",) * 2,
        ("x " * 400, ("x " * 150)[:299] + "…"),
    ],
)
def test_texts_of_servers(text: str, expected: str) -> None:
    assert sifted(text) == expected


PROBE = """
import sys, threading
from backup_runner.__main__ import keep_foreign_texts_in
keep_foreign_texts_in()
def fail():
    raise ValueError(sys.argv[1])
thread = threading.Thread(target=fail)
thread.start()
thread.join()
import logging, warnings
logging.getLogger("oci").warning(sys.argv[1])
warnings.warn(sys.argv[1])
fail()
"""


def test_nothing_gets_out_by_threads_logs_warnings_and_the_last_hook() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, SECRET], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr.count("ValueError") >= 2
