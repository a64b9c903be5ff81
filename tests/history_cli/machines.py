"""Machines that share a source and a bucket, each with a job file and a catalog of its own; commands run for real."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from backup_runner.cli.app import run

_SCHEMAS = Path(__file__).parents[2] / "schemas"
KEY = b"0123456789abcdef0123456789abcdef"


@dataclass
class Result:
    """What a finished command left."""

    code: int
    out: str
    err: str

    def lines(self, schema: str) -> list[dict[str, Any]]:
        """stdout as JSON Lines, each of the shape that is committed."""
        found = [json.loads(line) for line in self.out.splitlines()]
        validator = Draft202012Validator(json.loads((_SCHEMAS / f"{schema}.schema.json").read_text()))
        for line in found:
            validator.validate(line)
        return found

    def document(self, schema: str) -> Any:
        """stdout as one document."""
        (found,) = self.lines(schema)
        return found


@dataclass
class Site:
    """Sources and a bucket that several machines know."""

    root: Path
    target: str = "{type: directory, path: ./bucket}"
    machines: dict[str, Machine] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data.mkdir()
        (self.root / "key").write_bytes(KEY)
        (self.root / "key").chmod(0o600)

    @property
    def data(self) -> Path:
        return self.root / "data"

    def write(self, name: str | bytes, text: str) -> None:
        path = os.fsencode(self.data) + b"/" + os.fsencode(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def machine(self, name: str = "one", *, remote: bool = False, **settings: str) -> Machine:
        """A machine by name; `settings` are further top-level lines of its job file."""
        catalog = f"{{remote: true, cache: ./{name}/catalog.db}}" if remote else f"./{name}/catalog.db"
        lines = ["version: 1", "name: papers", "sources: [{path: ./data}]", "relative_path: ./data", "symlinks: store"]
        lines += [f"target: {self.target}", "encryption: {key_file: ./key}", f"catalog: {catalog}"]
        lines += ["guards: {min_files: 0, max_change_percent: 100, max_delete_percent: 100}"]
        job = self.root / f"{name}.yaml"
        job.write_text("\n".join(lines + [f"{key}: {value}" for key, value in settings.items()]) + "\n")
        found = self.machines[name] = Machine(self, name, job)
        return found

    def lineages(self) -> list[str]:
        """Of a bucket that is a directory."""
        return sorted(path.name for path in (self.root / "bucket").iterdir() if (path / "records").is_dir())


@dataclass
class Machine:
    """One job file with its catalog."""

    site: Site
    name: str
    job: Path

    @property
    def folder(self) -> Path:
        return self.site.root / self.name

    def run(self, command: str, *arguments: str, stdin: str = "") -> Result:
        """A command of this job, in this process: `run("catalog pull", "--json")`."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        kept = sys.stdin
        sys.stdin = io.StringIO(stdin)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run([*command.split(), str(self.job), *arguments])
        finally:
            sys.stdin = kept
        return Result(code, *(_text(stream) for stream in (out, err)))

    def start(self, command: str, *arguments: str) -> Callable[[], Result]:
        """The same as a process; call what comes back to wait for its end."""
        process = subprocess.Popen(
            [sys.executable, "-m", "backup_runner", *command.split(), str(self.job), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )

        def wait() -> Result:
            out, err = process.communicate(timeout=120)
            return Result(process.returncode, out, err)

        return wait

    def apply(self) -> dict[str, Any]:
        """Apply; the summary. Fails the test if it did not go well."""
        result = self.run("apply", "--yes", "--json", "--workers", "1")
        assert result.code == 0, result.out + result.err
        return result.lines("apply")[-1]

    def serial(self) -> int:
        found = self.run("catalog info", "--json").document("catalog-info")
        return int(found["stores"][0]["serial"])

    def restored(self, at: str = "latest") -> dict[str, str]:
        """All files of a snapshot, by restoring them."""
        goal = self.site.root / f"back-{self.name}-{at}"
        result = self.run("restore", "--to", str(goal), "--at", at)
        assert result.code == 0, result.out + result.err
        return {str(path.relative_to(goal)): path.read_text() for path in goal.rglob("*") if path.is_file()}


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()
