"""Targets say themselves what they are like: nobody asks by type or attribute."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path
from typing import Any

import backup_runner
from backup_runner.spec import Limits
from backup_runner.targets.base import Properties, Target
from backup_runner.targets.directory.spec import DirectoryTargetSpec
from backup_runner.targets.oci.spec import OciTargetSpec
from backup_runner.targets.opening import crew, divided, open_target
from tests.support.faulty import FaultyTarget

ROOT = Path(backup_runner.__file__).parent
OCI = OciTargetSpec("bucket", namespace="ns", limits=Limits(upload=1000, requests_in_flight=3))
_OF_THE_SYSTEM = {"os", "error", "signer", "link"}
"""What may be asked for attributes in targets/: the system, and exceptions and signers of other people's."""


def nothing(name: str, number: int, arguments: dict[str, Any]) -> None:
    """No fault."""


def test_what_targets_say(tmp_path: Path) -> None:
    folder, bucket = open_target(DirectoryTargetSpec(str(tmp_path))), open_target(OCI)
    assert isinstance(folder, Target)
    assert isinstance(bucket, Target)
    assert folder.properties == Properties()
    assert bucket.properties == Properties(remote=True, in_flight=3, upload_limit=1000, archives=True)
    assert (crew(folder, 8), crew(bucket, 8), crew(bucket, 2)) == (8, 3, 2)
    assert folder.grant("PutObject") == ""
    assert "target.bucket.name='bucket'" in bucket.grant("PutObject")


def test_a_wrapper_passes_properties_on_and_stays_when_divided(tmp_path: Path) -> None:
    for spec in (DirectoryTargetSpec(str(tmp_path)), OCI):
        inner = open_target(spec)
        wrapped = FaultyTarget(inner, nothing)
        assert wrapped.properties == inner.properties
        assert isinstance(divided(wrapped, 4), FaultyTarget)
        assert isinstance(pickle.loads(pickle.dumps(divided(wrapped, 4))), FaultyTarget)


def test_no_target_is_asked_by_attribute() -> None:
    found = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id not in {"getattr", "hasattr"}:
                continue
            asked = ast.unparse(node.args[0])
            ours = path.is_relative_to(ROOT / "targets") and asked not in _OF_THE_SYSTEM
            if ours or "target" in asked.lower() or "bucket" in asked.lower():
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert not found, "\n".join(found)
