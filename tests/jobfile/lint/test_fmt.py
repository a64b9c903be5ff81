"""`fmt`: one layout, nothing lost, and formatting twice is formatting once."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.api import format_job
from backup_runner.cli.app import run
from backup_runner.jobfile.comments import find_comments
from backup_runner.jobfile.diagnostics import Complaints, Stop
from backup_runner.jobfile.document import make_document
from backup_runner.jobfile.formatting import format_text
from backup_runner.jobfile.model import JobModel
from backup_runner.jobfile.yamltext import parse

HERE = Path(__file__).parent
VALID = [path.read_text(encoding="utf-8") for path in (HERE.parent / "valid").glob("*.yaml")]
UNTIDY = (HERE / "layout" / "untidy.yaml").read_text(encoding="utf-8")
FULL = os.environ.get("PROOF") == "full"


def tidy(text):
    return format_text(text, Complaints("a.yaml"))


def read(text):
    complaints = Complaints("a.yaml")
    root = parse(text, complaints)
    return root, make_document(root, complaints).data


def test_an_untidy_job():
    assert tidy(UNTIDY) == (HERE / "layout" / "tidy.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", VALID, ids=range(len(VALID)))
def test_keys_are_in_the_models_order(text):
    keys = list(read(tidy(text))[1])
    assert keys == [key for key in JobModel.model_fields if key in keys]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\r\nversion: 1\r\n", "version: 1\nname: a\n"),
        ("\ufeffname: a\nversion: 1", "version: 1\nname: a\n"),
        ("target: {path: x, type: directory}\n", "target: {type: directory, path: x}\n"),
        ("target: {path: 'a, }', type: directory}\n", "target: {type: directory, path: 'a, }'}\n"),
        ("zzz: 1\nname: a\nyyy: 2\n", "name: a\nzzz: 1\nyyy: 2\n"),
        ("relative_path: ~\nname: a\n", "name: a\nrelative_path: ~\n"),
        ("sources:\n- skip: [x]\n  path: a\n", "sources:\n  - path: a\n    skip: [x]\n"),
        ("a: [1,\n  2]\n\n\n\nname: 'x'  \n", "name: 'x'\na: [1, 2]\n"),
        # An alias must stand behind its anchor, so these keys keep their places.
        ("skip: &s [a]\nsources:\n- path: x\n  skip: *s\n", "skip: &s [a]\nsources:\n  - path: x\n    skip: *s\n"),
        ("# yaml-language-server: x\nname: a\nversion: 1\n", "# yaml-language-server: x\nversion: 1\nname: a\n"),
        (
            "# of name\nname: a\n# of version\nversion: 1\n# end\n",
            "# of version\nversion: 1\n# of name\nname: a\n# end\n",
        ),
    ],
)
def test_small_ones(text, expected):
    assert tidy(text.removeprefix("\ufeff")) == expected


@pytest.mark.parametrize("text", ["", "a: [", "a: 1\na: 2\n", "- a\n", "name:\n", "a: !x b\n"])
def test_what_cannot_be_read_is_refused(text):
    complaints = Complaints("a.yaml")
    with pytest.raises(Stop):
        format_text(text, complaints)
    assert complaints.failed


PIECES = st.sampled_from(
    [
        "# c",
        "  # d",
        "      # e",
        "",
        "x: {b: 1, a: 2}",
        "  # backup-runner: ignore BR061",
        "    ",
        "y: &a [1]",
        "z: *a",
    ]
)


@st.composite
def scrambled(draw):
    lines = draw(st.sampled_from([*VALID, UNTIDY])).split("\n")
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        what = draw(st.sampled_from(["insert", "insert", "swap", "comment", "indent", "cut"]))
        if what == "insert":
            lines.insert(at, draw(PIECES))
        elif what == "swap":
            to = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[to] = lines[to], lines[at]
        elif what == "comment":
            lines[at] += "   # eol"
        elif what == "indent":
            lines[at] = " " + lines[at]
        else:
            del lines[at]
            lines = lines or [""]
    return "\n".join(lines)


@given(scrambled())
@settings(max_examples=3000 if FULL else 80, deadline=None)
def test_twice_is_once_and_nothing_is_lost(text):
    try:
        once = tidy(text)
    except Stop:
        return
    assert tidy(once) == once
    (old_root, old), (root, new) = read(text), read(once)
    assert new == old
    comments = [sorted(one.text.split()) for one in find_comments(once, root)]
    assert sorted(comments) == sorted(sorted(one.text.split()) for one in find_comments(text, old_root))
    assert once.count("&a") == text.count("&a")


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(UNTIDY)
    os.chmod("a.yaml", 0o640)
    Path("link.yaml").symlink_to("a.yaml")
    assert run(["fmt", "--check", "."]) == 1
    assert run(["fmt", "--diff", "a.yaml"]) == 0
    assert run(["fmt", "--check", "--diff", "a.yaml"]) == 1
    assert Path("a.yaml").read_text() == UNTIDY
    assert "+version: 1" in capsys.readouterr().out
    assert run(["fmt", "link.yaml"]) == 0
    assert Path("a.yaml").read_text() == tidy(UNTIDY)
    assert Path("link.yaml").is_symlink()
    assert stat.S_IMODE(os.stat("a.yaml").st_mode) == 0o640
    assert run(["fmt", "--check", "."]) == 0
    assert sorted(os.listdir()) == ["a.yaml", "link.yaml"]


def test_a_broken_file_stays_and_does_not_keep_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("a: [")
    Path("b.yaml").write_text("sources: []\nversion: 1\n")
    assert run(["fmt", "."]) == 1
    assert (Path("a.yaml").read_text(), Path("b.yaml").read_text()) == ("a: [", "version: 1\nsources: []\n")
    assert "BR007" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["fmt", "migrate"])
def test_other_yaml_is_not_ours_to_rewrite(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    workflow = "name: CI\njobs:\n    build: {runs-on: x}\n"
    Path("a.yml").write_text(workflow)
    assert run([command, "."]) == 0
    assert Path("a.yml").read_text() == workflow
    assert "a.yml is not a job file" in capsys.readouterr().err


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u202e", "\u200b", "\u3000# x"])
def test_escapes_stay_escapes(character):
    """Written out, the file could not be read any more."""
    escaped = "".join(f"\\u{ord(one):04x}" if ord(one) > 127 else one for one in character)
    text = f'sources: [{{path: "/srv/a{escaped}b"}}]\nversion: 1\n'
    assert tidy(text).isascii()
    assert read(tidy(text))[1] == read(text)[1]


@pytest.mark.parametrize(
    "text",
    [
        "name: # why\n  a\n\nversion: 1\n",
        "version: 1\nname:  # d\n  y\n\n\nskip: [a]\n",
        "name: # g\n  |\n  - x\n  c: 1\n\nversion: 1\n",
    ],
)
def test_a_comment_between_key_and_value(text):
    """ruamel gives up on it: lines are put in order all the same, and nothing is lost."""
    formatted = tidy(text)
    assert read(formatted)[1] == read(text)[1]
    assert formatted.count("#") == 1
    assert formatted.startswith("version: 1\n")


def test_one_such_file_does_not_keep_the_others_from_being_rewritten(tmp_path, capfd):
    (tmp_path / "a.yaml").write_text("name: # why\n  a\n\nsources: [{path: /a}]\nversion: 1\n")
    (tmp_path / "b.yaml").write_text("name: # why\n  b\n\ndirectories: /a\n")
    (tmp_path / "c.yaml").write_text("sources: [{path: /a}]\nversion: 1\n")
    assert run(["fmt", str(tmp_path)]) == 0
    assert (tmp_path / "c.yaml").read_text().startswith("version: 1\n")
    assert run(["migrate", str(tmp_path)]) == 1
    err = capfd.readouterr().err
    assert "b.yaml:1:1: error BR007: cannot be rewritten without losing comments" in err
    assert "a.yaml" not in err


def test_no_warning_of_the_yaml_library_on_stderr(tmp_path):
    import subprocess
    import sys

    path = tmp_path / "a.yaml"
    path.write_text("name: &n a\nsources: [{path: /a, skip: &n [x]}]\nskip: *n\nversion: 1\n")
    command = [sys.executable, "-m", "backup_runner", "fmt", "--check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Warning" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_jobs_that_extend_and_shared_files_are_laid_out(tmp_path):
    path = tmp_path / "shared.yaml"
    path.write_text("retention: {keep_last: 3}\nversion: 1\n")
    found = format_job(str(path))
    assert (found.is_job, found.new) == (True, "version: 1\nretention: {keep_last: 3}\n")
    path.write_text("extends: a.yaml\nname: x\nversion: 1\n")
    assert format_job(str(path)).new == "version: 1\nname: x\nextends: a.yaml\n"
    path.write_text("version: 3\nservices: {}\n")
    assert not format_job(str(path)).is_job
