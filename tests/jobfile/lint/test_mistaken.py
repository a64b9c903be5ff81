"""Texts that are valid and were meant as something else get a warning."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backup_runner.jobfile import load
from backup_runner.jobfile.mistaken import is_regex
from backup_runner.patterns.globs import compile_rules
from tests.support.lintjobs import ENV, job


def findings(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_text(text)
    result = load([str(path)], env=ENV, lint=True)
    return result, [item for item in result.diagnostics if item.code not in ("BR060", "BR061", "BR062")]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("C:\\\\Users\\\\me", "a Windows path"),
        ("D:/data", "a Windows path"),
        ("\\\\\\\\server\\\\share", "a Windows path"),
        ("file:///srv/data", "a URL"),
        ("s3://bucket/x", "a URL"),
        ("$HOME/x", "a shell variable ($HOME)"),
        ("/srv/$USER", "a shell variable ($USER)"),
        ("%USERPROFILE%/x", "a variable of Windows"),
        ("/srv/*", "a pattern"),
        ("/srv/data?", "a pattern"),
        ("/srv/[ab]", "a pattern"),
    ],
)
def test_sources_that_are_no_paths(tmp_path, path, words):
    result, found = findings(tmp_path, job(f'sources: [{{path: "{path}"}}]'))
    [item] = found
    assert (item.code, item.severity) == ("BR069", "warning")
    assert words in item.message
    assert item.hint
    assert result.jobs


def test_other_paths_too(tmp_path):
    _, found = findings(tmp_path, job('target: {type: directory, path: "file:///mnt/usb"}\ncatalog: $HOME/catalog.db'))
    assert [item.code for item in found] == ["BR069", "BR069"]


def test_names_that_are_there_are_fine(tmp_path):
    for name in ("a*", "$x", "C:"):
        (tmp_path / name).mkdir()
        _, found = findings(tmp_path, job(f'sources: [{{path: "{tmp_path}/{name}"}}]'))
        assert found == []


@pytest.mark.parametrize(
    "pattern",
    [
        r".*\.tmp$",
        "^foo",
        r"(a|b)\.log",
        r"\.git/.*",
        "[0-9]+.log",
        r".+\.bak",
        r".*\.(jpg|png)$",
        r"\d+",
        ".*/cache/.*",
        "foo$",
        ".+bak",
        "backup(old|new)",
        r".*\-old",
    ],
)
def test_regular_expressions_as_skip_patterns(tmp_path, pattern):
    _, found = findings(tmp_path, job(f"sources: [{{path: /srv/data, skip: ['{pattern}']}}]"))
    assert "BR070" in {item.code for item in found}
    assert "gitignore" in found[0].message


@pytest.mark.parametrize(
    "pattern",
    [
        "*.tmp",
        ".*.swp",
        ".*",
        "$RECYCLE.BIN/",
        "~$*.docx",
        "a(1).txt",
        "*.{a,b}",
        "/x/",
        "!keep",
        "\\#x",
        "*.py[cod]",
        "c++/",
    ],
)
def test_patterns_that_are_none(pattern):
    assert not is_regex(pattern)


def test_one_shot_commands_warn_as_well(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.tmp").write_text("x")
    (tmp_path / "key").write_bytes(b"k" * 32)
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "config.yaml").write_text(
        "general: {crypto_key_file: key, database_file: c.db}\ndirectory: {path: bucket}\n"
    )
    command = [sys.executable, "-m", "backup_runner", "--config", "config.yaml", "directory", "backup"]
    command += ["--dir-paths", "data", "--skip-files", r".*\.tmp$"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "looks like a regular expression" in done.stderr


def test_the_icon_files_of_macos(tmp_path):
    """Their name ends in a carriage return, which git would cut off the end of a pattern."""
    assert findings(tmp_path, job('sources: [{path: /srv/data, skip: ["Icon\\r"]}]'))[0].jobs == []
    result, found = findings(tmp_path, job('sources: [{path: /srv/data, skip: ["Icon[\\r]"]}]'))
    assert found == []
    [one] = result.jobs
    rules = compile_rules([line.text for line in one.sources[0].skip])
    assert rules.decide(b"folder/Icon\r", is_dir=False).skip
    assert rules.decide(b"folder/Icon", is_dir=False) is None


def test_sarif_leads_to_a_file_whose_name_is_not_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.yaml"
    Path(os.fsdecode(name)).write_text("name: a\n")
    command = [sys.executable, "-m", "backup_runner", "validate", "--format", "sarif", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    [result, *_] = json.loads(done.stdout)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "caf%E9.yaml"
