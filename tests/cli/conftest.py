"""The command line as a process, in a home of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import run_command


@dataclass
class Result:
    """What a finished command left."""

    code: int
    out: str
    err: str

    def lines(self) -> list[dict[str, Any]]:
        """stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Place:
    """A folder with a key, a job, something to back up and a bucket to be made."""

    root: Path

    @property
    def job(self) -> Path:
        return self.root / "job.yaml"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def environment(self, **more: str) -> dict[str, str]:
        keep = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "TZ"}}
        return keep | {"HOME": str(self.root), "PYTHONIOENCODING": "utf-8"} | more

    def run(self, *arguments: str | bytes | Path, stdin: str = "", env: dict[str, str] | None = None) -> Result:
        env = self.environment(**(env or {}))
        done = run_command(arguments, cwd=self.root, env=env, stdin=stdin.encode(), timeout=60)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def call(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> Result:
        """The same within this process: quicker, for what ends before anything is done."""
        from backup_runner.cli.app import run

        handler, folder = signal.getsignal(signal.SIGTERM), Path.cwd()
        os.chdir(self.root)
        try:
            code = run(arguments)
        finally:
            os.chdir(folder)
            signal.signal(signal.SIGTERM, handler)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    def write_job(self, name: str = "job", **values: str) -> Path:
        """A job file over `data`; `values` are further top-level lines."""
        path = self.root / f"{name}.yaml"
        lines = ["version: 1", f"name: {name}", "sources: [{path: ./data}]", "relative_path: ./data"]
        lines += ["target: {type: directory, path: ./bucket}", "encryption: {key_file: ./key}", "catalog: ./catalog.db"]
        path.write_text("\n".join(lines + [f"{key}: {value}" for key, value in values.items()]) + "\n")
        return path

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))


def furnished(root: Path) -> Place:
    """A place with two files in two folders, a key and a job."""
    found = Place(root)
    (found.data / "docs").mkdir(parents=True)
    (found.data / "docs" / "a.txt").write_text("first")
    (found.data / "b.txt").write_text("second")
    (root / "key").write_bytes(b"test-key-0123456789-abcdefghijkl")
    (root / "key").chmod(0o600)
    found.write_job()
    return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place in the test's own folder."""
    return furnished(tmp_path)


@pytest.fixture
def schema() -> Callable[[str], Callable[[Any], None]]:
    """A checker of one output's shape, by the schema that is committed."""
    from jsonschema import Draft202012Validator

    def checker(name: str) -> Callable[[Any], None]:
        path = Path(__file__).parents[2] / "schemas" / f"{name}.schema.json"
        validator = Draft202012Validator(json.loads(path.read_text()))
        return validator.validate

    return checker
