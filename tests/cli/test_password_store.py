"""The key in a password store: `key_command: [pass, show, …]` with the real program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def store() -> Iterator[dict[str, str]]:
    """The environment of a password store with a GnuPG key of its own."""
    if shutil.which("pass") is None or shutil.which("gpg") is None:
        pytest.skip("pass and gpg are not installed")
    # A socket's path has at most 108 bytes, which pytest's folders exceed.
    with tempfile.TemporaryDirectory(prefix="gpg") as home:
        env = {"GNUPGHOME": home, "PASSWORD_STORE_DIR": f"{home}/store", "PATH": os.environ["PATH"], "HOME": home}
        recipe = "%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nSubkey-Type: ecdh\nSubkey-Curve: cv25519\n"
        recipe += "Name-Real: backup\nExpire-Date: 0\n%commit\n"
        try:
            run(["gpg", "--batch", "--quiet", "--generate-key"], env, recipe)
            run(["pass", "init", "backup"], env)
            yield env
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=env, capture_output=True, timeout=60, check=False)


def run(command: list[str], env: dict[str, str], text: str = "") -> None:
    done = subprocess.run(command, env=env, input=text, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize("form", ["bkr-raw", "hex", "bkr-key"])
def test_the_key_comes_from_pass(place: Any, store: dict[str, str], form: str) -> None:
    if form == "bkr-key":
        (place.root / "key").unlink()
        place.run("key", "new", "key")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    text = place.run("key", "show", "key").out.strip()
    assert text.startswith("bkr-key1" if form == "bkr-key" else "bkr-raw1")
    if form == "hex":
        text = (place.root / "key").read_bytes().hex()
    run(["pass", "insert", "--multiline", "backup-key"], store, f"{text}\n")
    job = place.root / "job.yaml"
    job.write_text(re.sub(r"encryption: .*", "encryption: {key_command: [pass, show, backup-key]}", job.read_text()))
    (place.root / "key").unlink()
    (place.data / "more.txt").write_text("more")
    done = place.run("apply", "job.yaml", "--yes", env=store)
    assert done.code == 0, done.err
    assert place.run("key", "check", "job.yaml", env=store).code == 0
    done = place.run("restore", "job.yaml", "--to", place.root / "back", env=store)
    assert done.code == 0, done.err
    assert (place.root / "back" / "more.txt").read_text() == "more"
    assert text not in done.out + done.err
    if form == "hex":
        return
    wrong = text[:20] + ("q" if text[20] != "q" else "p") + text[21:]
    run(["pass", "insert", "--multiline", "--force", "backup-key"], store, f"{wrong}\n")
    said = place.run("key", "check", "job.yaml", env=store)
    assert said.code == 1
    assert "if only one letter is wrong, it is character 21" in said.err
    assert "key_command pass" in said.err
    assert wrong not in said.err


def test_what_pass_does_not_have_is_named_without_its_output(place: Any, store: dict[str, str]) -> None:
    job = place.root / "job.yaml"
    job.write_text(re.sub(r"encryption: .*", "encryption: {key_command: [pass, show, nothing]}", job.read_text()))
    said = place.run("apply", "job.yaml", "--yes", env=store)
    assert said.code == 1
    assert "key_command pass failed with status 1" in said.err
    assert not Path(place.root, "bucket").exists()
