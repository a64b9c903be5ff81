"""Names that a CI system would take for commands, in every format that goes to a log: none of them acts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = (
    "::error::x", "  ::set-env name=A::b", "\t::add-mask::q", "##vso[task.setvariable variable=A]b", "a ##[group]z",
    "##teamcity[buildStatus]", "##VSO[x]", "\x1b[31mred", "\u202egpj.exe", "new\nline ::stop", "new\n::error::line",
)  # fmt: skip
ACTS = re.compile(
    r"^\s*::[A-Za-z]|##\[|##vso\[|##teamcity\[|[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", re.IGNORECASE
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    for number, name in enumerate(NAMES):
        (tmp_path / "src" / name).write_text(str(number))
    run(tmp_path, "key", "new", "key")
    text = (
        f"version: 1\nname: j\nsources: [{{path: ./src}}]\ntarget: {{type: directory, path: ./bucket}}\n"
        f"relative_path: {tmp_path}/src\nencryption: {{key_file: ./key}}\ncatalog: ./cat.db\n"
    )
    (tmp_path / "job.yaml").write_text(text)
    for name in ("::error::job.yaml", " ##vso[x]job.yaml"):
        (tmp_path / name).write_text(text + "wrong: '::error::v'\n'##[x]': 1\n")
    return tmp_path


def run(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "backup_runner", *arguments], cwd=place, capture_output=True, check=False,
        env={"HOME": str(place), "PATH": "/usr/bin:/bin"} | path_of_ours(),
    )  # fmt: skip
    return (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")


def path_of_ours() -> dict[str, str]:
    import os

    return {"PATH": os.environ["PATH"]}


def test_no_name_acts_as_a_command(place: Path) -> None:
    said = {
        "plan": run(place, "plan", "job.yaml", "--out", "p"),
        "plan json": run(place, "plan", "job.yaml", "--json"),
        "show": run(place, "show", "p"),
        "show json": run(place, "show", "p", "--json"),
        "explain": run(place, "plan", "job.yaml", "--explain", str(place / "src" / NAMES[0])),
        "verbose": run(place, "-v", "apply", "job.yaml", "--yes"),
        "list": run(place, "files", "list", "job.yaml"),
        "list json": run(place, "files", "list", "job.yaml", "--json"),
        "find": run(place, "find", "job.yaml", "*"),
        "restore": run(place, "restore", "job.yaml", "--to", "::error::back"),
        "none": run(place, "plan", "::error::none.yaml"),
        "usage": run(place, "::error::command"),
        "validate": run(place, "validate", "."),
        "validate json": run(place, "validate", ".", "--format", "json"),
        "validate junit": run(place, "validate", ".", "--format", "junit"),
        "validate sarif": run(place, "validate", ".", "--format", "sarif"),
    }
    github = run(place, "validate", ".", "--format", "github")
    said["validate github"] = re.sub("(?m)^::(error|warning|notice) ", "", github)
    acting = {(what, line) for what, text in said.items() for line in text.split("\n") if ACTS.search(line)}
    assert acting == set()
    assert "teamcity" in said["plan"]
    assert "teamcity" in said["list json"]
