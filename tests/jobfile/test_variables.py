"""Variables in names and places of objects: expanded, with defaults, or refused; never taken literally."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from backup_runner.jobfile import load
from backup_runner.jobfile.schema import job_schema
from backup_runner.targets.oci.spec import OciTargetSpec
from tests.support.lintjobs import ENV, job

PIECE = """\
name: docs-${HOST}
sources: [{path: "${DATA:-/srv/data}/x"}]
target:
  {type: oci, bucket: "${BUCKET:-backup}", prefix: "${HOST}/", namespace: "${NS}", region: "${REGION:-us-ashburn-1}"}
"""


def loaded(text: str, folder: Path, **env: str) -> Any:
    path = folder / "job.yaml"
    path.write_text(text)
    return load([str(path)], env=ENV | env)


def test_they_are_expanded(tmp_path: Path) -> None:
    text = job(PIECE)
    Draft202012Validator(job_schema()).validate(YAML(typ="safe").load(text))
    (one,) = loaded(text, tmp_path, HOST="web1", NS="space").jobs
    assert one.name == "docs-web1"
    assert one.sources[0].path == b"/srv/data/x"
    target = one.target
    assert isinstance(target, OciTargetSpec)
    found = (target.bucket, target.prefix, target.namespace, target.region)
    assert found == ("backup", "web1/", "space", "us-ashburn-1")
    (other,) = loaded(text, tmp_path, HOST="web2", NS="space", BUCKET="b", DATA="/d", REGION="eu-1").jobs
    assert (other.name, other.sources[0].path) == ("docs-web2", b"/d/x")
    assert other.digest() != one.digest()


@pytest.mark.parametrize(
    ("env", "code", "column"),
    [
        ({}, "BR040", 7),
        ({"HOST": ""}, "BR040", 7),
        ({"HOST": "a b"}, "BR026", 7),
        ({"HOST": "../x"}, "BR026", 7),
    ],
)
def test_they_are_refused_where_they_are(tmp_path: Path, env: dict[str, str], code: str, column: int) -> None:
    result = loaded(job("name: docs-${HOST}"), tmp_path, **env)
    assert [(one.code, one.column) for one in result.diagnostics] == [(code, column)]


@pytest.mark.parametrize("value", ["${HOST", "${a-b}", "${}", "${:-x}"])
def test_what_is_no_reference(tmp_path: Path, value: str) -> None:
    result = loaded(job(f'name: "{value}"'), tmp_path)
    assert [one.code for one in result.diagnostics] == ["BR041"]
