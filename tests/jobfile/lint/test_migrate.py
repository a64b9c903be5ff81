"""`migrate`: from older words to version 1, comments and all."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.cli.app import run
from backup_runner.jobfile import load
from backup_runner.jobfile.diagnostics import Complaints, Stop
from backup_runner.jobfile.migrations import migrate_text
from tests.support.lintjobs import ENV, job

OLD = """\
# my old job
directories:   # what
  - ~/docs   # docs
  - path: ~/photos
skip_files: "*.tmp"
# overwrite?
overwrite: true
force_checksum: true
crypto_key_file: ~/key
cache_file: ~/c.db
bucket: b   # bucket
config_section: BACKUP
"""
NEW = """\
# my old job
version: 1
name: old
sources:       # what
  - path: ~/docs # docs
  - path: ~/photos
skip: ["*.tmp"]
# overwrite?
overwrite: changed
detect: checksum
target:
  type: oci
  bucket: b # bucket
  auth:
    profile: BACKUP
encryption: {key_file: ~/key}
catalog: ~/c.db
"""


def migrated(text, path="old.yaml"):
    return migrate_text(text, path, Complaints(path))


def test_backup_tools_words(tmp_path):
    found = migrated(OLD)
    assert found.text == NEW
    assert "renamed directories to sources" in found.changes
    path = tmp_path / "new.yaml"
    path.write_text(found.text)
    assert load([str(path)], env=ENV).diagnostics == []


def test_the_newest_stays_as_it_is():
    untidy = "name: a\nversion: 1\n"
    assert migrated(untidy) == (untidy, [])
    assert migrated(NEW) == (NEW, [])


def test_a_version_that_was_forgotten():
    text = job().replace("version: 1\n", "")
    found = migrated(text)
    assert found.changes == ["set version to 1"]
    assert found.text.startswith("version: 1\nname: documents\n")


@pytest.mark.parametrize("version", ["2", "-1", "true", "'0'", "1.5", "[1]"])
def test_versions_that_never_were(version):
    assert migrated(f"version: {version}\nname: a\n").changes == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dir_paths: ~/a", "sources:\n  - path: ~/a"),
        ("exclude: [a]", "skip: [a]"),
        ("overwrite: false", "overwrite: never"),
        ("directory: {path: /b}", "target: {type: directory, path: /b}"),
        ("oci: {bucket: b, config_file: /c}", "target: {type: oci, bucket: b, auth: {config_file: /c}}"),
        ("force_checksum: false", ""),
    ],
)
def test_one_word_each(old, new):
    assert migrated(f"name: a\n{old}\n").text == "\n".join(["version: 1", "name: a", *([new] if new else []), ""])


@pytest.mark.parametrize("path", ["My jobs/über uns.yaml", "---.yaml", "x" * 99 + ".yml"])
def test_names_from_files(path):
    text = migrated("sources: [{path: a}]\n", path).text
    [name] = [line.removeprefix("name: ") for line in text.splitlines() if line.startswith("name: ")]
    assert 1 <= len(name) <= 64


def test_one_thing_in_two_words_is_refused():
    complaints = Complaints("a.yaml")
    with pytest.raises(Stop):
        migrate_text("sources: [{path: a}]\ndirectories: [b]\n", "a.yaml", complaints)
    assert [item.code for item in complaints.items] == ["BR028"]


WORDS = st.sampled_from(
    [
        *OLD.splitlines(),
        *NEW.splitlines(),
        "oci:",
        "directory: x",
        "sources: 1",
        "detect: []",
        "# c",
        "exclude: 3",
        "oci: []",
    ]
)


@given(st.lists(WORDS, max_size=12))
@settings(max_examples=150, deadline=None)
def test_anything_ends_in_a_job_or_a_complaint(lines):
    complaints = Complaints("a.yaml")
    try:
        found = migrate_text("\n".join(lines) + "\n", "a.yaml", complaints)
    except Stop:
        assert complaints.failed
        return
    assert migrated(found.text).changes == []


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text(OLD)
    assert run(["migrate", "--check", "."]) == 1
    assert Path("old.yaml").read_text() == OLD
    assert run(["migrate", "old.yaml"]) == 0
    assert Path("old.yaml").read_text() == NEW
    assert "renamed skip_files to skip" in capsys.readouterr().out
    assert run(["migrate", "--check", "old.yaml"]) == 0


def test_escapes_stay_escapes(tmp_path):
    """Written out, the file could not be read any more."""
    migrated = migrate_text('directories: ["/srv/a\\u202eb", "/srv/\\u200b"]\n', "job.yaml", Complaints("")).text
    path = tmp_path / "job.yaml"
    path.write_text(migrated)
    assert migrated.isascii()
    assert "BR003" not in {item.code for item in load([str(path)], env={}).diagnostics}
