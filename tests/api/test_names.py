"""The list of names, and what importing them costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import backup_runner
from backup_runner import api

SOURCE = Path(api.__file__)


def test_every_name_is_there_and_documented() -> None:
    for name in api.__all__:
        found = getattr(backup_runner, name)
        assert found is getattr(api, name)
        assert found.__doc__, name
    assert set(api.__all__) <= set(dir(backup_runner))


def test_types_are_checked_by_the_imports_that_run() -> None:
    """`if TYPE_CHECKING` names the module that `__getattr__` imports from."""
    homes = {name: home for home, names in api._HOMES.items() for name in names.split()}
    stated = {}
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            for alias in node.names:
                stated[alias.name] = node.module if node.level == 2 else f"api.{node.module}"
    assert stated == homes
    assert sorted(homes) == sorted(api.__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        backup_runner.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        from backup_runner import nonsense  # noqa: F401


def test_importing_the_package_loads_no_engine() -> None:
    code = (
        "import sys, backup_runner; backup_runner.load_job; print({'oci', 'backup_runner.applying'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
