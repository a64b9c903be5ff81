"""`restore --delete` and `--dry-run` on the command line: what is printed, asked and returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[str], Callable[[Any], None]]


def test_it_is_shown_and_asked_first(place: Any, schema: Check) -> None:
    place.write_job()
    assert place.run("apply", "job.yaml", "--yes").code == 0
    stray = place.data / "stray.txt"
    stray.write_text("x")
    done = place.run("restore", "job.yaml", "--delete")
    assert (done.code, stray.exists()) == (64, True)
    assert "no terminal to ask for confirmation" in done.err
    done = place.run("restore", "job.yaml", "--delete", "--dry-run")
    assert (done.code, stray.exists()) == (0, True)
    assert "- delete  1 file, 1 B: not in the snapshot" in done.out
    assert "stray.txt" in done.out
    done = place.run("restore", "job.yaml", "--delete", "--dry-run", "--json")
    for line in done.lines():
        schema("restore")(line)
    assert [line["path"] for line in done.lines() if line["kind"] == "delete"] == ["stray.txt"]
    done = place.run("restore", "job.yaml", "--delete", "--yes")
    assert (done.code, stray.exists()) == (0, False)
    assert "1 deleted" in done.out


def test_a_dry_run_lists_the_files(place: Any, schema: Check) -> None:
    place.write_job()
    assert place.run("apply", "job.yaml", "--yes").code == 0
    done = place.run("restore", "job.yaml", "--to", "back", "--dry-run")
    files = sorted(path.name for path in place.data.rglob("*") if path.is_file())
    assert all(f"{name}" in done.out for name in files)
    done = place.run("restore", "job.yaml", "--to", "back", "--dry-run", "--json")
    found = [line for line in done.lines() if line["kind"] == "file"]
    for line in done.lines():
        schema("restore")(line)
    assert sorted(line["path"].rpartition("/")[2] for line in found) == files
    assert {line["would_be"] for line in found} == {"restored"}
