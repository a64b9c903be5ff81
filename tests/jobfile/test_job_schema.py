"""What the schema of jobs flags, `validate` flags."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.jobfile import load
from backup_runner.jobfile.schema import job_schema

ROOT = Path(__file__).parents[2]
VALID = Path(__file__).parent / "valid"
ENV = {"HOME": "/home/u", "DATA": "/srv/data", "EMPTY": ""}


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(job_schema())


VALIDATOR = jsonschema.Draft202012Validator(job_schema())


def _as_yaml_reads_it(path):
    """Aliases and all, by an independent reader."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


JOBS = [_as_yaml_reads_it(path) for path in sorted(VALID.glob("*.yaml"))]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job["name"])
def test_valid_jobs_pass(job):
    assert [error.message for error in VALIDATOR.iter_errors(job)] == []


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 200),
    st.sampled_from([10**20, 1.0, 2.5, -1e300]),
    st.sampled_from(
        ["", "~", "x", "yes", "7d", "0d", "3m", "10MiB/s", "oci", "directory", "/x", "a//b", "changed", "\n"]
    ),
    st.text(max_size=8),
    st.sampled_from([[], {}, [""], ["x"], [None], {"path": "/x"}, {"remote": True, "cache": "/c"}, {"remote": 1}]),
)
KEYS = sorted({key for block in [job_schema(), *job_schema()["$defs"].values()] for key in block.get("properties", {})})


def _places(node, found):
    if isinstance(node, dict | list):
        found.append(node)
        for item in node.values() if isinstance(node, dict) else node:
            _places(item, found)
    return found


@st.composite
def mutated_jobs(draw):
    job = copy.deepcopy(draw(st.sampled_from(JOBS)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(_places(job, [])))
        value = copy.deepcopy(draw(VALUES))
        if isinstance(place, list):
            place.append(value) if not place or draw(st.booleans()) else place.__setitem__(0, value)
        elif place and draw(st.integers(0, 3)) == 0:
            del place[draw(st.sampled_from(sorted(place)))]
        else:
            place[draw(st.sampled_from(sorted(place) if place and draw(st.booleans()) else KEYS))] = value
    return job


@given(mutated_jobs())
@settings(max_examples=400, deadline=None)
def test_what_the_schema_flags_validate_flags(tmp_path_factory, job):
    # JSON is YAML, so the mutated job can be written without a YAML writer of our own.
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_text(json.dumps(job), encoding="utf-8")
    result = load([str(path)], env=ENV)
    flagged = next(VALIDATOR.iter_errors(job), None)
    if flagged is not None:
        assert result.diagnostics, flagged.message
    assert bool(result.jobs) != bool(result.diagnostics)
