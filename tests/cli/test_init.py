"""`init`: four questions, a commented job and a key; never over existing files; also without a terminal."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
from typing import Any

import pytest


@pytest.fixture
def home(place: Any) -> Any:
    """A place where nothing is set up but data."""
    for name in ("job.yaml", "key"):
        (place.root / name).unlink()
    return place


def test_from_nothing_to_a_restored_file(home: Any) -> None:
    made = home.run("init", "docs.yaml", "--source", "data", "--to", "bucket")
    assert made.code == 0, made.err
    key = home.root / ".backup-runner" / "crypto-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    text = (home.root / "docs.yaml").read_text()
    assert text.count("#") > 8
    assert "name: docs" in text
    checked = home.run("validate", "docs.yaml", "--strict")
    assert checked.code == 0, checked.out + checked.err
    assert home.run("fmt", "docs.yaml", "--check").code == 0
    assert home.run("apply", "docs.yaml", "--yes").code == 0
    assert home.run("restore", "docs.yaml", home.data / "b.txt", "--to", "back").code == 0
    assert next((home.root / "back").rglob("b.txt")).read_text() == "second"


def test_four_questions_on_a_terminal(home: Any) -> None:
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "backup_runner", "init", "docs.yaml"],
        stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=home.root, env=home.environment(),
    )  # fmt: skip
    os.write(control, f"{home.data}/docs, {home.data}/b.txt\nbucket\n\nlong\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(terminal)
    os.close(control)
    assert process.returncode == 0, err
    assert out.count("?") == 4
    text = (home.root / "docs.yaml").read_text()
    assert f"  - path: {home.data}/docs\n  - path: {home.data}/b.txt\n" in text
    assert "keep_yearly" in text
    assert home.run("validate", "docs.yaml").code == 0


def test_never_over_existing_files(home: Any) -> None:
    (home.root / "docs.yaml").write_text("mine")
    assert home.run("init", "docs.yaml", "--source", "data", "--to", "bucket").code == 64
    assert (home.root / "docs.yaml").read_text() == "mine"
    assert home.run("init", "one.yaml", "--source", "data", "--to", "bucket", "--key", "k").code == 0
    before = (home.root / "k").read_bytes()
    again = home.run("init", "two.yaml", "--source", "data", "--to", "bucket2", "--key", "k")
    assert again.code == 0
    assert "Created the key" not in again.out
    assert (home.root / "k").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "bucket"], "--source"),
        (["--source", "data"], "--to"),
        (["--source", "data", "--to", "oci:"], "no bucket"),
        (["--source", "data", "--to", "bucket", "--keep", "forever"], "short, usual, long, all"),
        (["--source", "data", "--to", "bucket", "--name", "not a name"], "no valid job"),
        (["--source", "data", "--to", "data/bucket"], "no valid job"),
    ],
)
def test_what_is_refused_leaves_nothing(home: Any, arguments: list[str], said: str) -> None:
    before = home.files()
    done = home.run("init", "docs.yaml", *arguments)
    assert done.code == 64, done.out
    assert said in done.err
    assert [name for name in home.files() if not name.startswith(".backup-runner")] == before


@pytest.mark.parametrize("name", ["yes", "a: b #c", '"quoted"', "ünï", "1", "-x", "{a}", "a\\b"])
def test_any_folder_name_is_written_so_that_it_is_read_as_it_is(home: Any, name: str) -> None:
    folder = home.root / "odd" / name
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    assert home.run("init", "docs.yaml", "--source", f"odd/{name}", "--to", "oci:b/p").code == 0
    assert home.run("validate", "docs.yaml").code == 0


def test_help_in_every_form(home: Any) -> None:
    for words in (["init", "-h"], ["help", "init"], ["init", "--help"]):
        done = home.run(*words)
        assert done.code == 0
        assert "four questions" in done.out
