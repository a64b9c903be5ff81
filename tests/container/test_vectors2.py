"""The frozen vectors of suite 2, opened by the package and by docs/recover.py."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backup_runner.container import open_object, parse_name
from backup_runner.container.identity import Identity
from backup_runner.container.suite2.chain import Chain
from backup_runner.container.suite2.envelope import parse_envelope
from backup_runner.container.suite2.keysobject import open_keys
from backup_runner.container.suite2.seeds import Secret, SecretKind, read_secret
from backup_runner.errors import DamagedError, NoiseError, NotEntitledError, WrongKeyError

VECTORS = Path(__file__).parent / "vectors2"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "cases.json").read_text())
ERRORS = {"damaged": DamagedError, "noise": NoiseError, "wrong key": WrongKeyError, "not entitled": NotEntitledError}

each_case = pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_every_file_has_its_case() -> None:
    assert {path.name for path in VECTORS.glob("*.bin")} == {case["file"] for case in CASES}
    assert {case["outcome"] for case in CASES} == {"whole", *ERRORS}
    assert len(CASES) >= 90


@each_case
def test_package(case: dict[str, Any]) -> None:
    data = (VECTORS / case["file"]).read_bytes()
    object_id = parse_name(case["name"])
    assert object_id
    passphrase = case["kind"] == SecretKind.PASSPHRASE
    identity = Identity(Secret.of_passphrase(case["secret"]) if passphrase else read_secret(case["secret"].encode()))
    if case["outcome"] == "whole":
        opened = open_object(data, len(data), object_id, identity)
        assert list(opened.check()) == []
        payload = opened.payload()
        assert case["payload_sha256"] in (None, sha256(payload))
        return
    with pytest.raises(ERRORS[case["outcome"]], match=case["why"] or None) as caught:
        open_object(data, len(data), object_id, identity).payload()
    assert type(caught.value) is ERRORS[case["outcome"]]
    assert case["name"] in caught.value.message


@each_case
def test_recover_script(case: dict[str, Any], recover: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(case["secret"])
    given = (None, tmp_path / "key") if case["kind"] == "passphrase" else (tmp_path / "key", None)
    secret = recover.read_secret(*given)
    recover.Object2.epochs.clear()
    path = VECTORS / case["file"]
    if case["outcome"] == "whole":
        found = recover.open_object(path, case["name"], secret)
        assert found.damage is None
        payload = b"".join(found.segment(number) for number in range(len(found.lengths)))
        assert case["payload_sha256"] in (None, sha256(payload))
        return
    with pytest.raises(recover.DamagedError) as caught:
        found = recover.open_object(path, case["name"], secret)
        for number in range(len(found.lengths)):
            found.segment(number)
    assert isinstance(caught.value, recover.WrongKeyError) == (case["outcome"] == "wrong key")


def test_the_keys_object_says_who() -> None:
    case = next(case for case in CASES if case["file"] == "kind-keys.bin")
    object_id = parse_name(case["name"])
    assert object_id
    data = (VECTORS / case["file"]).read_bytes()
    envelope, roster = open_keys(data, object_id, Identity(read_secret(case["secret"].encode())))
    assert (envelope.number, [one.name for one in roster.recipients]) == (2, ["owner"])
    assert [(one.name, one.void is not None) for one in roster.writers] == [("host", True)]


def test_chain() -> None:
    given = json.loads((VECTORS / "chain.json").read_text())
    lineage = bytes.fromhex(given["lineage"])
    envelopes = {name: parse_envelope(base64.b64decode(raw), lineage) for name, raw in given["envelopes"].items()}
    chain, noise = Chain.start(envelopes["first"]).continued(envelopes.values())
    assert chain.envelopes == tuple(envelopes[name] for name in given["chain"])
    assert {one.digest for one in noise} == {
        one.digest for name, one in envelopes.items() if name not in given["chain"]
    }
