"""The frozen vectors, opened by the package and by docs/recover.py as a process of its own."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backup_runner.container import open_object, parse_name
from backup_runner.container.keys import CryptoKey, Keyring
from backup_runner.errors import DamagedError, WrongKeyError

VECTORS = Path(__file__).parent / "vectors"
RECOVER = Path(__file__).parents[2] / "docs" / "recover.py"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "cases.json").read_text())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


each_case = pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])


def test_every_file_has_its_case() -> None:
    assert {path.name for path in VECTORS.glob("*.bin")} == {case["file"] for case in CASES}
    assert {case["outcome"] for case in CASES} == {"whole", "damaged", "refused", "wrong key"}
    assert len(CASES) >= 35


@each_case
def test_package(case: dict[str, Any]) -> None:
    data = (VECTORS / case["file"]).read_bytes()
    object_id = parse_name(case["name"])
    assert object_id
    keyring = Keyring(CryptoKey(bytes.fromhex(case["key"])))
    if case["outcome"] in ("refused", "wrong key"):
        error = WrongKeyError if case["outcome"] == "wrong key" else DamagedError
        with pytest.raises(error, match=case["why"]):
            open_object(data, len(data), object_id, keyring)
        return
    found = open_object(data, len(data), object_id, keyring)
    got = {
        entry.path.hex(): sha256(content)
        for entry, content in found.contents()
        if entry.path is not None and entry.group is None and isinstance(content, bytes)
    }
    assert got == case["contents"]
    said = list(found.check())
    if case["outcome"] == "whole":
        assert said == []
        assert sha256(found.payload()) == case["payload_sha256"]
    else:
        assert case["why"] in "; ".join(said)
        assert all(case["name"] in line for line in said)


def run(case: dict[str, Any], tmp_path: Path, command: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    key = tmp_path / "key"
    key.write_bytes(bytes.fromhex(case["key"]) + b"\n")
    named = ["--key-file", str(key), "--name", case["name"]]
    arguments = [sys.executable, str(RECOVER), command, str(VECTORS / case["file"]), *named, *options]
    return subprocess.run(arguments, capture_output=True, check=False)


@each_case
def test_recover_script(case: dict[str, Any], tmp_path: Path) -> None:
    goal = tmp_path / "goal"
    done = run(case, tmp_path, "extract", "--to", str(goal))
    assert b"Traceback" not in done.stderr
    files = [path for path in goal.rglob("*") if path.is_file()] if goal.exists() else []
    got = {bytes(path.relative_to(goal)).hex(): sha256(path.read_bytes()) for path in files}
    assert got == case["contents"]
    assert done.returncode == (0 if case["outcome"] == "whole" and "stretch" not in case["file"] else 1)
    if case["outcome"] == "wrong key":
        assert b"WRONG KEY" in done.stderr
    elif case["outcome"] != "whole":
        assert b"WRONG KEY" not in done.stderr
        assert b"DAMAGED" in done.stderr or b"NOT RECOVERED" in done.stderr
    if case["why"] == "header was modified":
        assert b"header was modified" in done.stderr
    if case["file"] == "swapped.bin":
        # No MD5 is known for a payload: the segments' own numbers must tell.
        payload = run(case, tmp_path, "payload")
        assert (payload.returncode, payload.stdout) == (1, b"")
    if case["payload_sha256"]:
        payload = run(case, tmp_path, "payload")
        assert payload.returncode == 0
        assert sha256(payload.stdout) == case["payload_sha256"]
