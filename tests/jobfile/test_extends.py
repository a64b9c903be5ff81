"""`extends`: what a job has from a shared file, where messages point, what may be read, and how it is shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from backup_runner.cli.app import run
from backup_runner.jobfile import load, load_one
from backup_runner.jobfile.schema import job_schema
from backup_runner.jobfile.showing import resolved_text
from backup_runner.jobfile.variables import variables_of
from backup_runner.targets.directory.spec import DirectoryTargetSpec
from tests.support.lintjobs import ENV

SHARED = """\
version: 1
target: {type: directory, path: bucket}
encryption: {key_file: keys/key}
catalog: ${CACHE:-state}/catalog.db
retention: {keep_last: 3, keep_daily: 14}
guards: {max_delete_percent: 20, max_change_percent: 40}
skip: ["*.tmp", build/]
skip_from: [rules.txt]
tags: [fleet]
"""
JOB = """\
version: 1
name: web01
extends: ../defaults.yaml
sources: [{path: data}]
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "defaults.yaml").write_text(SHARED)
    (tmp_path / "rules.txt").write_text("*.o\n")
    (tmp_path / "jobs" / "web01.yaml").write_text(JOB)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*paths: str, **more: Any) -> list[tuple[str, int, int, str]]:
    result = load(paths, env=ENV, confined=True, lint=True, **more)
    return [(one.file, one.line, one.column, one.code) for one in result.diagnostics]


def test_fifty_jobs_of_four_lines(fleet: Path) -> None:
    for number in range(2, 51):
        (fleet / "jobs" / f"web{number:02}.yaml").write_text(JOB.replace("web01", f"web{number:02}"))
    files = [str(path.relative_to(fleet)) for path in sorted(fleet.rglob("*.yaml"))]
    assert all(len((fleet / file).read_text().splitlines()) < 5 for file in files if file.startswith("jobs/"))
    result = load(files, env=ENV, lint=True, confined=True)
    assert ([job.name for job in result.jobs], result.diagnostics) == ([f"web{n:02}" for n in range(1, 51)], [])
    job = result.jobs[0]
    assert isinstance(job.target, DirectoryTargetSpec)
    assert (job.target.path, job.catalog.path) == (f"{fleet}/bucket", f"{fleet}/state/catalog.db")
    assert job.encryption.key_file == f"{fleet}/keys/key"
    assert job.sources[0].path == os.fsencode(f"{fleet}/jobs/data")
    assert [(line.text, line.file) for line in job.skip] == [
        ("*.o", f"{fleet}/rules.txt"), ("*.tmp", "defaults.yaml"), ("build/", "defaults.yaml"),
    ]  # fmt: skip


def test_what_the_job_sets_comes_first(fleet: Path) -> None:
    own = 'retention: {keep_last: 1}\nguards: {max_change_percent: 90}\nskip: ["!keep.tmp"]\ntags: [web]\n'
    (fleet / "jobs" / "web01.yaml").write_text(JOB + own + "target: {path: ../other}\n")
    job = load_one("jobs/web01.yaml", env=ENV)
    assert job.retention is not None
    assert (job.retention.keep_last, job.retention.keep_daily) == (1, 0)
    assert (job.guards.max_delete_percent, job.guards.max_change_percent) == (20, 90)
    assert [(line.text, line.line, line.file) for line in job.skip][1:] == [
        ("*.tmp", 7, "defaults.yaml"), ("build/", 7, "defaults.yaml"), ("!keep.tmp", 7, ""),
    ]  # fmt: skip
    assert job.tags == ("fleet", "web")
    assert job.target == DirectoryTargetSpec(f"{fleet}/other")


def test_a_target_of_another_type_takes_nothing(fleet: Path) -> None:
    (fleet / "jobs" / "web01.yaml").write_text(JOB + "target: {type: oci, bucket: b}\n")
    assert found("jobs/web01.yaml") == []


def test_messages_point_into_the_file_of_the_value(fleet: Path) -> None:
    (fleet / "defaults.yaml").write_text(SHARED.replace("keep_last: 3", "keep_last: many").replace("tags:", "tgas:"))
    (fleet / "jobs" / "web01.yaml").write_text(JOB + "overwrite: maybe\n")
    (fleet / "jobs" / "web02.yaml").write_text(JOB.replace("web01", "web02"))
    assert found("jobs/web01.yaml", "jobs/web02.yaml", "defaults.yaml") == [
        ("jobs/web01.yaml", 5, 12, "BR024"), ("defaults.yaml", 5, 24, "BR022"), ("defaults.yaml", 9, 1, "BR020"),
    ]  # fmt: skip
    result = load(["jobs/web01.yaml"], env=ENV)
    assert result.sources["defaults.yaml"].startswith("version: 1")
    (fleet / "defaults.yaml").write_text(SHARED.replace("retention: {", "retention: [") + "x: ]\n")
    assert ("defaults.yaml", 5, "BR007") in [(file, line, code) for file, line, _, code in found("jobs/web01.yaml")]
    (fleet / "defaults.yaml").write_text(SHARED + 'sources: [{path: data, skip: ["./x"]}]\n')
    (fleet / "jobs" / "web01.yaml").write_text(JOB.replace("sources", "# ") + "relative_path: /elsewhere\n")
    (one,) = load(["jobs/web01.yaml"], env=ENV).diagnostics
    assert (one.file, one.line, one.code) == ("jobs/web01.yaml", 5, "BR044")
    assert "does not contain the source of defaults.yaml:10" in one.message


def test_comments_of_a_shared_file_hide_warnings_about_it(fleet: Path) -> None:
    (fleet / "defaults.yaml").write_text(SHARED.replace('"*.tmp"', '"./x"'))
    assert found("jobs/web01.yaml") == [("defaults.yaml", 7, 8, "BR065")]
    (fleet / "defaults.yaml").write_text(SHARED.replace('"*.tmp"', '"./x"') + "# backup-runner: ignore BR065\n")
    assert found("jobs/web01.yaml") == []
    (fleet / "jobs" / "web01.yaml").write_text(JOB + 'skip: ["./y"]\n')
    assert found("jobs/web01.yaml") == [("jobs/web01.yaml", 5, 8, "BR065")]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("../missing.yaml", "No such file"),
        ("web01.yaml", "leads back"),
        ("..", "folder"),
        ("~/x.yaml", "not expanded"),
        ("${HOME}/x.yaml", "not expanded"),
        ("[a.yaml]", "must be the path"),
        ("/etc/hostname", "outside"),
        ("../../outside.yaml", "outside"),
        ("../link.yaml", "outside"),
    ],
)
def test_what_is_refused(fleet: Path, text: str, word: str) -> None:
    (fleet.parent / "outside.yaml").write_text("version: 1\nsecret words\n")
    (fleet / "link.yaml").symlink_to(fleet.parent / "outside.yaml")
    (fleet / "jobs" / "web01.yaml").write_text(JOB.replace("../defaults.yaml", text))
    result = load(["jobs/web01.yaml"], env=ENV, confined=True, lint=True)
    assert [(one.line, one.code) for one in result.diagnostics] == [(3, "BR032")]
    assert word in result.diagnostics[0].message
    assert "secret" not in str(result.sources)


def test_circles_and_long_chains(fleet: Path) -> None:
    (fleet / "defaults.yaml").write_text("version: 1\nextends: more.yaml\n")
    (fleet / "more.yaml").write_text("version: 1\nextends: ./defaults.yaml\n")
    assert found("jobs/web01.yaml") == [("more.yaml", 2, 10, "BR032")]
    # The same file, read for a second job of the set.
    assert found("jobs/web01.yaml", "defaults.yaml")[0] == ("more.yaml", 2, 10, "BR032")
    for number in range(20):
        (fleet / f"c{number}.yaml").write_text(f"version: 1\nextends: c{number + 1}.yaml\n")
    (fleet / "defaults.yaml").write_text("version: 1\nextends: c0.yaml\n")
    assert [code for *_, code in found("jobs/web01.yaml")] == ["BR032"]


def test_a_chain_is_followed(fleet: Path) -> None:
    (fleet / "site.yaml").write_text("version: 1\nextends: defaults.yaml\nretention: {keep_last: 9}\n")
    (fleet / "jobs" / "web01.yaml").write_text(JOB.replace("defaults", "site"))
    job = load_one("jobs/web01.yaml", env=ENV)
    assert job.retention is not None
    assert (job.retention.keep_last, job.tags) == (9, ("fleet",))


def test_a_shared_file_has_a_version(fleet: Path) -> None:
    (fleet / "defaults.yaml").write_text(SHARED.replace("version: 1\n", ""))
    assert found("jobs/web01.yaml") == [("defaults.yaml", 1, 1, "BR027")]
    (fleet / "defaults.yaml").write_text(SHARED.replace("version: 1", "version: 2"))
    assert found("jobs/web01.yaml") == [("defaults.yaml", 1, 10, "BR027")]


def test_a_shared_file_is_no_job(fleet: Path) -> None:
    def codes(*paths: str) -> list[str]:
        return [one.code for one in load(paths, env=ENV).diagnostics]

    assert found("defaults.yaml") == []
    assert codes("defaults.yaml") == ["BR021"]
    assert codes("jobs/web01.yaml", "defaults.yaml") == []
    assert len(load(["defaults.yaml", "jobs/web01.yaml"], env=ENV).jobs) == 1


def test_job_files_and_shared_files_match_the_schema(fleet: Path) -> None:
    validator = Draft202012Validator(job_schema())
    for text in (SHARED, JOB, JOB + "target: {prefix: x/}\n"):
        validator.validate(YAML(typ="safe", pure=True).load(text))
    assert not validator.is_valid(YAML(typ="safe", pure=True).load(JOB.replace("extends: ../defaults.yaml", "")))


def test_a_schedule_knows_the_variables_of_the_shared_file(fleet: Path) -> None:
    (fleet / "defaults.yaml").write_text(SHARED.replace("keys/key", '"${KEYS}/key"'))
    job = load_one("jobs/web01.yaml", env=ENV | {"KEYS": "/k"})
    assert variables_of("jobs/web01.yaml", job) == ["KEYS"]


def test_the_shown_job_is_the_same_job(fleet: Path) -> None:
    (fleet / "jobs" / "web01.yaml").write_text(JOB + 'skip: ["!keep.tmp"]\ntarget: {path: ../other}\n')
    text = resolved_text("jobs/web01.yaml", frozenset(["prices", "catalog"]))
    assert text.splitlines()[:2] == [
        "# jobs/web01.yaml, which extends defaults.yaml", "# From the config file: prices",
    ]  # fmt: skip
    for line in ("key_file: ../keys/key  # defaults.yaml:3", "skip:  # defaults.yaml:7", "path: ../other\n"):
        assert line in text
    assert "catalog: ${CACHE:-state}/catalog.db" in text
    (fleet / "jobs" / "whole.yaml").write_text(text)
    env = ENV | {"CACHE": "/var/cache"}
    assert load_one("jobs/whole.yaml", env=env).digest() == load_one("jobs/web01.yaml", env=env).digest()


def test_the_command_shows_it_or_what_is_wrong(
    fleet: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(fleet))
    assert run(["job", "show", "jobs/web01.yaml"]) == 0
    assert b"keep_last: 3  # defaults.yaml:5" in capsysbinary.readouterr().out
    (fleet / "defaults.yaml").write_text(SHARED.replace("keep_last: 3", "keep_last: x"))
    assert run(["job", "show", "jobs/web01.yaml"]) == 1
    assert b"defaults.yaml:5:24: error BR022" in capsysbinary.readouterr().err
