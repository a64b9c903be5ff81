"""docs/cli.md is what the commands say, and every --json has a committed schema that its real output keeps to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from backup_runner.report.schemas import OUTPUTS, VERSION

ROOT = Path(__file__).parents[2]

LIKE = {
    "show": "plan",
    "file-backup": "apply",
    "file-cleanup": "prune",
    "file-restore": "restore",
    "directory-backup": "apply",
    "backup-cleanup": "prune",
    "forget": "prune",
    "snapshots-list": "snapshots",
    "snapshots-tag": "snapshots",
}
"""Commands whose output is described by another command's schema."""


def commands() -> Iterator[tuple[str, Any]]:
    """All commands by their words, with hyphens between."""
    from backup_runner.cli.app import application

    def walk(command: Any, words: list[str]) -> Iterator[tuple[str, Any]]:
        for name, one in getattr(command, "commands", {}).items():
            yield from walk(one, [*words, name])
        if words and not getattr(command, "commands", None):
            yield "-".join(words), command

    return walk(get_command(application()), [])


def test_docs_are_what_the_commands_say() -> None:
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "TERMINAL_WIDTH")}
    command = [sys.executable, "-m", "backup_runner.cli.reference"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=ROOT).stdout
    committed = (ROOT / "docs" / "cli.md").read_text()
    assert committed == made, "run `python -m backup_runner.cli.reference > docs/cli.md`"
    for name, command_ in commands():
        assert command_.help, name


def test_every_json_has_a_schema_with_a_version() -> None:
    talking = [name for name, command in commands() if any("--json" in param.opts for param in command.params)]
    assert len(talking) > 20
    for name in talking:
        schema = json.loads((ROOT / "schemas" / f"{LIKE.get(name, name)}.schema.json").read_text())
        assert schema["version"] == VERSION
        Draft202012Validator.check_schema(schema)
    assert {*LIKE.values()} <= {*OUTPUTS}
    assert {*OUTPUTS} - {*talking} == {"validate", "explain", "snapshots", "progress"}


@pytest.fixture
def check(place: Any) -> Any:
    """Runs a command and holds every document that it prints against its schema."""

    def run(name: str, *words: str, lines: bool = True) -> Any:
        done = place.run(*words, "--json")
        assert done.code in (0, 3), done.err
        schema = json.loads((ROOT / "schemas" / f"{LIKE.get(name, name)}.schema.json").read_text())
        documents = [json.loads(line) for line in done.out.splitlines()] if lines else [json.loads(done.out)]
        assert documents
        for document in documents:
            Draft202012Validator(schema).validate(document)
        return documents[-1]

    return run


def test_one_shot_outputs_keep_to_their_schemas(place: Any, check: Any) -> None:
    (place.root / ".backup-runner").mkdir()
    (place.root / ".backup-runner" / "crypto-key").write_bytes(b"test-key-0123456789-abcdefghijkl")
    (place.root / ".backup-runner" / "crypto-key").chmod(0o600)
    (place.root / ".backup-runner" / "config.yaml").write_text(f"directory: {{path: {place.root / 'bucket'}}}\n")
    (place.data / "twin").write_text("second")
    check("directory-backup", "directory", "backup", "--dir-paths", str(place.data))
    listed = check("file-list", "file", "list")
    assert {item["local_file_path"].rpartition("/")[2] for item in listed} == {"a.txt", "b.txt", "twin"}
    assert len(check("file-duplicates", "file", "duplicates")) == 1
    assert check("file-md5", "file", "md5", str(place.data / "b.txt"))["md5"].endswith("==")
    assert len(check("backup-list", "backup", "list")) == 2
    check("file-encrypt", "file", "encrypt", str(place.data / "b.txt"), str(place.root / "sealed"))
    check("file-decrypt", "file", "decrypt", str(place.root / "sealed"), str(place.root / "plain"))
    check("file-backup", "file", "backup", str(place.root / "plain"))
    (place.data / "twin").unlink()
    check("file-cleanup", "file", "cleanup", "--yes")
    check("backup-cleanup", "backup", "cleanup", "--yes")
    assert check("config-show", "config", "show")["settings"]["prices.standard"]["value"] is None


def test_other_outputs_keep_to_their_schemas(place: Any, check: Any) -> None:
    place.write_job(schedule='{every: day, at: "02:30"}')
    check("schedule", "schedule", "job.yaml")
    check("schedule", "schedule", "job.yaml", "--format", "crontab")
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    check("show", "show", "saved.plan")
