"""One-shot commands as processes, in a home of their own, against a directory and against the emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.oci_emulator.fixture import emulator  # noqa: F401 - a fixture
from tests.support.command import run_command


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class Home:
    """`data` is what is backed up; `run` gives stdout, parsed where --json was asked for."""

    root: Path
    url: str = ""

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def config(self) -> Path:
        return self.root / ".backup-runner" / "config.yaml"

    def environment(self) -> dict[str, str]:
        keep = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "TZ"}}
        return keep | {"HOME": str(self.root), "PYTHONIOENCODING": "utf-8"}

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "backup_runner", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.root,
            env=self.environment(),
        )  # fmt: skip

    def call(self, *arguments: str | Path) -> Result:
        done = run_command(arguments, cwd=self.root, env=self.environment())
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def run(self, *arguments: str | Path, code: int = 0) -> Any:
        done = self.call(*arguments)
        assert done.code == code, f"exit {done.code}\n{done.out}\n{done.err}"
        self.err = done.err
        if "--json" in arguments:
            lines = [json.loads(line) for line in done.out.splitlines()]
            return lines[0] if len(lines) == 1 else lines
        return done.out

    def write(self, name: str, data: bytes) -> Path:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def ids(self) -> dict[str, int]:
        return {item["local_file_path"]: item["id"] for item in self.run("file", "list", "--json")}


def make_home(root: Path, target: str, url: str = "") -> Home:
    home = Home(root, url)
    home.data.mkdir()
    home.config.parent.mkdir()
    key = home.config.parent / "crypto-key"
    key.write_bytes(b"test-key-0123456789-abcdefghijkl")
    key.chmod(0o600)
    home.config.write_text(
        "general:\n  database_file: ./catalog.db\n  crypto_key_file: ./crypto-key\n"
        f"  relative_path: {root}\n  work_directory: {root}/work\n  logging_file: {root}/log\n{target}\n"
    )
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose bucket is a directory."""
    return make_home(tmp_path, f"directory:\n  path: {tmp_path}/bucket")


@pytest.fixture(params=["directory", "oci"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """The same on both targets."""
    if request.param == "directory":
        yield make_home(tmp_path, f"directory:\n  path: {tmp_path}/bucket")
        return
    yield make_home(tmp_path, oci_section(request.getfixturevalue("emulator"), tmp_path.name))


def oci_section(running: Any, prefix: str) -> str:
    return (
        f"oci:\n  config_file: {running.owner.config_file}\n  namespace: {running.namespace}\n"
        f"  bucket: {running.bucket}\n  prefix: {prefix}\n  endpoint: {running.url}\n  region: us-ashburn-1"
    )


@pytest.fixture
def oci_home(emulator: Any, tmp_path: Path) -> tuple[Home, str]:  # noqa: F811 - the fixture
    """A home whose bucket is the emulator's, and the prefix of its objects."""
    prefix = tmp_path.name.replace("[", "-").replace("]", "")
    return make_home(tmp_path, oci_section(emulator, prefix)), prefix
