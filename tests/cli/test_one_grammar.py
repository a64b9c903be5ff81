"""The same word means the same files in restore, files list, find, diff and history, wherever one stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def applied(place: Any, capsys: Any) -> Any:
    (place.data / "docs" / "deep").mkdir()
    (place.data / "docs" / "deep" / "c.log").write_text("x")
    (place.data / "photo[1].jpg").write_text("x")
    assert place.call(capsys, "apply", "job.yaml", "--yes").code == 0
    for path in (place.data / "docs" / "a.txt", place.data / "docs" / "deep" / "c.log", place.data / "photo[1].jpg"):
        path.write_text("changed, longer")
    (place.data / "b.txt").write_text("changed")
    assert place.call(capsys, "apply", "job.yaml", "--yes").code == 0
    return place


def paths(applied: Any, at: Path, *words: str) -> set[str]:
    """The files that a command names, run in a folder."""
    job = str(applied.job)
    done = subprocess.run(
        [sys.executable, "-m", "backup_runner", *(job if word == "JOB" else word for word in words), "--json"],
        cwd=at, env=applied.environment(), capture_output=True, check=True, text=True,
    )  # fmt: skip
    import json

    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["path"] for one in found if "path" in one and not one["path"].endswith("/") and one["path"]}


WORDS = {
    "docs/a.txt": {"docs/a.txt"},
    "docs": {"docs/a.txt", "docs/deep/c.log"},
    "*.txt": {"b.txt", "docs/a.txt"},
    "docs/*.txt": {"docs/a.txt"},
    "**/c.log": {"docs/deep/c.log"},
    "photo[1].jpg": {"photo[1].jpg"},
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_means_the_same_everywhere(applied: Any, word: str) -> None:
    at = applied.root
    assert paths(applied, at, "files", "list", "JOB", word) == WORDS[word]
    assert paths(applied, at, "restore", "JOB", word, "--to", "back", "--dry-run") == WORDS[word]
    assert paths(applied, at, "diff", "JOB", "1", "2", word) == WORDS[word]
    if word != "docs":
        assert paths(applied, at, "find", "JOB", word) == WORDS[word]
    if len(WORDS[word]) == 1:
        assert paths(applied, at, "history", "JOB", word) == WORDS[word]


def test_relative_to_where_one_stands(applied: Any) -> None:
    at = applied.data / "docs"
    for words in (
        ("files", "list", "JOB", "deep"), ("restore", "JOB", "./deep", "--to", "../../back", "--dry-run"),
        ("diff", "JOB", "1", "2", "deep/*"), ("history", "JOB", "deep/c.log"), ("find", "JOB", "./deep/c.log"),
    ):  # fmt: skip
        assert paths(applied, at, *words) == {"docs/deep/c.log"}, words


def test_several_paths_and_exclude(applied: Any) -> None:
    at, expected = applied.root, {"b.txt", "docs/a.txt"}
    without = ("--exclude", "*.log")
    assert paths(applied, at, "files", "list", "JOB", "docs", "b.txt", *without) == expected
    assert paths(applied, at, "restore", "JOB", "docs", "b.txt", *without, "--to", "back", "--dry-run") == expected
    assert paths(applied, at, "diff", "JOB", "1", "2", "docs", "b.txt", *without) == expected


def test_a_history_of_many_is_refused(applied: Any, capsys: Any) -> None:
    done = applied.call(capsys, "history", "job.yaml", "*.txt")
    assert done.code == 1
    assert "matches 2 paths: 'b.txt', 'docs/a.txt'" in done.err


def test_a_history_of_what_exclude_leaves(applied: Any, capsys: Any) -> None:
    at = applied.data / "docs"
    for excluded in ("b.txt", "../b.txt", str(applied.data / "b.txt"), "b.*"):
        assert paths(applied, at, "history", "JOB", "*.txt", "--exclude", excluded) == {"docs/a.txt"}, excluded
    done = applied.call(capsys, "history", "job.yaml", "docs/a.txt", "-x", "docs")
    assert done.code == 1
    assert "no snapshot has 'docs/a.txt', apart from what is excluded" in done.err
