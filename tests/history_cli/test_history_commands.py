"""`snapshots`, `files list`, `diff`, `find`, `history` and `prune`, as text and as JSON of the committed shapes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.history_cli.machines import Machine, Site

pytestmark = pytest.mark.usefixtures("without_scrypt")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, without_scrypt: None) -> Machine:
    """Four snapshots: files come, change, lose their mode, go and come back."""
    site = Site(tmp_path_factory.mktemp("history"))
    machine = site.machine()
    site.write("a.txt", "first")
    site.write("docs/b.txt", "b")
    site.write(b"docs/\xff.txt", "not UTF-8")
    os.symlink("a.txt", site.data / "link")
    machine.apply()
    site.write("a.txt", "changed text")
    os.unlink(site.data / "docs" / "b.txt")
    machine.apply()
    (site.data / "a.txt").chmod(0o600)
    os.unlink(site.data / "link")
    os.symlink("elsewhere", site.data / "link")
    machine.apply()
    site.write("docs/b.txt", "b again")
    machine.apply()
    return machine


def test_snapshots_say_what_each_came_to(one: Machine) -> None:
    found = one.run("snapshots", "--json").document("snapshots")
    names = ("files", "bytes", "added", "changed", "removed")
    assert [tuple(item["totals"][name] for name in names) for item in found] == [
        (4, 15, 4, 0, 0),
        (3, 21, 0, 1, 1),
        (3, 21, 0, 1, 0),
        (4, 28, 1, 0, 0),
    ]
    assert found[0]["totals"]["stored_bytes"] > 0
    head, *rows = one.run("snapshots").out.splitlines()
    names = "id scanned status files added changed removed problems size read new stored took host"
    assert " ".join(head.split()) == names
    assert len(rows) == 4


def test_files_of_a_snapshot(one: Machine) -> None:
    lines = one.run("files list", "--at", "1", "--json").lines("files-list")
    assert [line["path"] for line in lines[:-1]] == ["", "a.txt", "docs/", "docs/b.txt", "docs/\\xff.txt", "link"]
    assert lines[4]["path_base64"] == "ZG9jcy//LnR4dA=="
    assert (lines[-2]["type"], lines[-2]["target"]) == ("symlink", "a.txt")
    summary = lines[-1]
    assert [summary[name] for name in ("files", "folders", "symlinks", "bytes")] == [3, 2, 1, 15]
    text = one.run("files list", "--at", "1").out.splitlines()
    assert text[1].startswith("-rw-")
    assert text[1].endswith("  a.txt")
    assert text[4].endswith("  docs/\\xff.txt")
    assert text[5].endswith("  link → a.txt")
    assert text[6].endswith(": 3 files, 2 folders, 1 symlink, 15 B")


@pytest.mark.parametrize("path", ["docs", "docs/", "./docs", "absolute"])
def test_files_below_a_folder(one: Machine, path: str) -> None:
    where = str(one.site.data / "docs") if path == "absolute" else path
    lines = one.run("files list", where, "--json").lines("files-list")
    assert [line["path"] for line in lines[:-1]] == ["docs/", "docs/b.txt", "docs/\\xff.txt"]


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["files list", "*.txt"], ["a.txt", "docs/b.txt", "docs/\\xff.txt"]),
        (["files list", "docs/b*"], ["docs/b.txt"]),
        (["files list", "--exclude", "docs", "--exclude", "link"], ["", "a.txt"]),
        (["find", "*.txt", "--exclude", "docs"], ["a.txt"]),
        (["diff", "1", "2", "docs"], ["docs/", "docs/b.txt"]),
        (["diff", "1", "2", "*.txt"], ["a.txt", "docs/b.txt"]),
        (["diff", "1", "2", "--exclude", "docs"], ["a.txt"]),
    ],
)
def test_one_grammar_of_paths(one: Machine, words: list[str], paths: list[str]) -> None:
    lines = one.run(*words, "--json").lines("files-list" if words[0] == "files list" else words[0])
    assert sorted({line["path"] for line in lines[:-1]} - {""}) == sorted(set(paths) - {""})


@pytest.mark.parametrize(
    "words", [["files list", "b.txt"], ["history", "b.txt"], ["find", "./b.txt"], ["files list", "."]]
)
def test_paths_relative_to_where_one_stands(one: Machine, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(one.site.data / "docs")
    assert one.run(*words).code == 0


def test_a_single_file_and_one_that_is_not_there(one: Machine) -> None:
    lines = one.run("files list", "a.txt", "--json").lines("files-list")
    assert [line.get("path") for line in lines] == ["a.txt", None]
    missing = one.run("files list", "doc")
    assert (missing.code, missing.out) == (1, "")
    assert "snapshot 4 has no 'doc'" in missing.err


def changes(one: Machine, old: str, new: str) -> list[tuple[str, str, list[str]]]:
    lines = one.run("diff", old, new, "--json").lines("diff")
    return [(line["change"], line["path"], line["what"]) for line in lines[:-1] if line["path"] not in ("", "docs/")]


def test_differences(one: Machine) -> None:
    assert changes(one, "1", "2") == [
        ("changed", "a.txt", ["content", "size", "mtime"]),
        ("removed", "docs/b.txt", []),
    ]
    assert changes(one, "2", "1")[1] == ("added", "docs/b.txt", [])
    assert changes(one, "2", "3") == [("touched", "a.txt", ["mode"]), ("changed", "link", ["target", "mtime"])]
    # It went and came back in between.
    assert ("changed", "docs/b.txt", ["content", "size", "mtime"]) in changes(one, "1", "latest")
    assert changes(one, "3", "3") == []
    text = one.run("diff", "1", "2").out.splitlines()
    assert text[0] == "~ a.txt  5 B → 12 B, content, mtime"
    assert text[1] == "- docs/b.txt  1 B"
    assert text[-1].endswith(": 1 removed, 1 changed, 1 folder touched")
    assert "no snapshot 9" in one.run("diff", "1", "9").err


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("b.txt", ["docs/b.txt"]),
        ("*.txt", ["a.txt", "docs/b.txt", "docs/\\xff.txt"]),
        ("docs/*.txt", ["docs/b.txt", "docs/\\xff.txt"]),
        ("*/a.txt", []),
        ("**/a.txt", ["a.txt"]),
        ("docs", ["docs/"]),
        ("?ink", ["link"]),
        ("B.TXT", []),
    ],
)
def test_find(one: Machine, name: str, paths: list[str]) -> None:
    lines = one.run("find", name, "--json").lines("find")
    assert sorted({line["path"] for line in lines[:-1]}) == sorted(paths)
    assert (lines[-1]["paths"], lines[-1]["versions"]) == (len(paths), len(lines) - 1)


def test_find_says_which_snapshots_have_it(one: Machine) -> None:
    lines = one.run("find", "b.txt", "--json").lines("find")
    spans = [(line["first"]["id"], line["last"]["id"], line["snapshots"]) for line in lines[:-1]]
    assert spans == [(1, 1, 1), (4, 4, 1)]
    text = one.run("find", "b.txt").out.splitlines()
    assert text[0].split()[0] == "1"
    assert text[0].endswith("docs/b.txt  (not in the newest)")
    assert text[1].endswith("docs/b.txt")
    assert one.run("find", "[").code == 64


def test_history_of_one_file(one: Machine) -> None:
    result = one.run("history", "docs/b.txt", "--json")
    assert result.code == 0, result.err
    lines = result.lines("history")
    spans = [(line["kind"], line["first"]["id"], line["last"]["id"]) for line in lines]
    assert spans == [("version", 1, 1), ("absent", 2, 3), ("version", 4, 4)]
    assert lines[2]["what"] == ["content", "size", "mtime"]
    text = one.run("history", str(one.site.data / "a.txt")).out.splitlines()
    assert [line.split()[0] for line in text] == ["1", "2", "3-4"]
    assert text[2].endswith("mode")
    assert "deleted" in one.run("history", "docs/b.txt").out
    folder = one.run("history", "docs", "--json").lines("history")
    assert [(line["type"], line["what"]) for line in folder] == [("directory", []), *[("directory", ["mtime"])] * 2]
    assert one.run("history", "nothing").code == 1


def test_prune(site: Site) -> None:
    site.write("a.txt", "first")
    machine = site.machine()
    machine.apply()
    site.write("a.txt", "second")
    machine.apply()
    nothing = machine.run("prune", "--yes")
    assert nothing.code == 0
    assert "No changes: nothing has expired." in nothing.out
    machine = site.machine(retention="{keep_last: 1}")
    refused = machine.run("prune")
    assert (refused.code, refused.out) == (64, "")
    looked = machine.run("prune", "--dry-run", "--json")
    assert looked.code == 0
    assert actions(looked.lines("prune")) == [("forget", 1), ("delete", None)]
    assert [item["id"] for item in machine.run("snapshots", "--json").document("snapshots")] == [1, 2]
    done = machine.run("prune", "--yes", "--json")
    assert done.code == 0, done.err
    lines = done.lines("prune")
    assert lines[-1]["counts"] == {"forget": 1, "delete": 1}
    assert lines[-1]["deleted_bytes"] > 0
    assert lines[-1]["snapshot"] is None
    assert [item["id"] for item in machine.run("snapshots", "--json").document("snapshots")] == [2]
    assert machine.restored() == {"a.txt": "second"}
    assert len(list((site.root / "bucket").glob("*/data/*"))) == 1
    assert machine.run("prune", "--yes").out.endswith("No changes: nothing has expired.\n")


def actions(lines: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(line["action"], line.get("snapshot")) for line in lines if line["kind"] == "action"]


def test_history_of_a_job_that_was_never_applied(site: Site) -> None:
    site.write("a.txt", "first")
    machine = site.machine()
    for command in ("files list", "snapshots", "prune --yes"):
        result = machine.run(command)
        assert result.code == 1
        assert "catalog" in result.err
    assert not (Path(site.root) / "one").exists()
