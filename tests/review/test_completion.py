"""What Tab offers, asked as bash asks."""

from __future__ import annotations

import os
from typing import Any

import pytest


def offered(place: Any, line: str) -> list[str]:
    """The completions of a command line whose last word is the one to be completed."""
    words = line.split(" ")
    env = {
        "_BACKUP_RUNNER_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = place.run(env=env)
    assert done.err == ""
    return sorted(word for word in done.out.split("\n") if word)


@pytest.fixture
def applied(place: Any) -> Any:
    (place.data / "docs" / "deep").mkdir()
    (place.data / "docs" / "deep" / "c d.txt").write_text("x")
    (place.data / "docs2").write_text("x")
    # What a shell could not take as one word is not offered.
    (place.data / "docs" / "two\nlines").write_text("x")
    (place.data / "docs" / os.fsdecode(b"not \xff text")).write_text("x")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert place.run("apply", "job.yaml", "--yes").code == 0
    return place


def test_job_files_by_path_and_by_name(place: Any) -> None:
    (place.root / "jobs").mkdir()
    for name in ("one.yaml", "two.yml", "notes.txt"):
        (place.root / "jobs" / name).write_text(f"version: 1\nname: nightly-{name[:3]}\n")
    (place.root / "saved.plan.zst").write_bytes(b"")
    assert offered(place, "backup-runner plan j") == ["job.yaml", "jobs/"]
    assert offered(place, "backup-runner plan jobs/") == ["jobs/one.yaml", "jobs/two.yml"]
    assert offered(place, "backup-runner restore jobs/nightly-t") == ["jobs/two.yml"]
    assert offered(place, "backup-runner apply s") == ["saved.plan.zst"]
    assert offered(place, "backup-runner plan s") == []
    assert offered(place, "backup-runner plan nowhere/") == []


def test_snapshots(applied: Any) -> None:
    assert offered(applied, "backup-runner restore job.yaml --at ") == ["1", "2", "latest"]
    assert offered(applied, "backup-runner diff job.yaml 1 l") == ["latest"]
    assert offered(applied, "backup-runner diff nothing.yaml ") == []


def test_stored_paths_folder_by_folder(applied: Any) -> None:
    assert offered(applied, "backup-runner restore job.yaml ") == ["b.txt", "docs/", "docs2"]
    assert offered(applied, "backup-runner history job.yaml docs/") == ["docs/a.txt", "docs/deep/"]
    assert offered(applied, "backup-runner files list job.yaml docs/deep/") == ["docs/deep/c d.txt"]
    below = f"{applied.data}/docs/a"
    assert offered(applied, f"backup-runner restore job.yaml {below}") == [f"{below}.txt"]
    assert offered(applied, "backup-runner restore job.yaml zzz") == []


def test_commands_and_options_are_offered_too(place: Any) -> None:
    assert offered(place, "backup-runner sn") == ["snapshots"]
    assert offered(place, "backup-runner plan --ex") == ["--explain"]


def test_names_of_guards(place: Any) -> None:
    assert offered(place, "backup-runner apply job.yaml --override-guard max_f") == [
        "max_forget_percent",
        "max_free_percent",
    ]
