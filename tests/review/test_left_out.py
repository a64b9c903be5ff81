"""What is left out by something other than a name: on real mounts, in plan, `skips`, `--explain` and snapshot."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Check = Callable[[str], Callable[[Any], None]]
TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n"


@pytest.fixture
def mounted(place: Any) -> Iterator[Path]:
    """A tmpfs at data/disk, with a file."""
    disk: Path = place.data / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        (disk / "sub").mkdir()
        (disk / "sub" / "there.txt").write_text("on another file system")
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def stored(place: Any) -> list[str]:
    assert (done := place.run("apply", "job.yaml", "--yes")).code == 0, done.err
    return [line["path"] for line in place.run("files", "list", "job.yaml", "--json").lines() if "path" in line]


def explained(place: Any, path: str) -> dict[str, Any]:
    done = place.run("plan", "job.yaml", "--json", "--explain", path)
    assert done.code == 0, done.err
    return dict(done.lines()[0])


def left_out(place: Any) -> dict[str, int]:
    return dict(place.run("plan", "job.yaml", "--json").lines()[-1]["left_out"])


def test_a_mount_point_is_kept_as_an_empty_folder(place: Any, mounted: Path, schema: Check) -> None:
    place.write_job(one_file_system="true")
    found = stored(place)
    assert "disk/" in found or "disk" in found
    assert [path for path in found if path.startswith("disk/") and path != "disk/"] == []
    assert left_out(place) == {"other_file_systems": 1}
    inside = explained(place, str(mounted / "sub" / "there.txt"))
    assert (inside["state"], inside["rule"]["setting"]) == ("skipped", "one_file_system")
    assert explained(place, str(mounted))["state"] == "taken"
    schema("explain")(inside)
    place.write_job(one_file_system="false")
    assert "disk/sub/there.txt" in stored(place)


def test_a_source_on_another_file_system_is_its_own_root(place: Any, mounted: Path) -> None:
    text = place.job.read_text().replace("sources: [{path: ./data}]", "sources: [{path: ./data/disk}]")
    place.job.write_text(text + "one_file_system: true\n")
    assert "disk/sub/there.txt" in stored(place)


def test_marked_folders_and_caches_are_left_out(place: Any, schema: Check) -> None:
    for name, text in (("build", TAG), ("not-signed", "Signature: 0123")):
        (place.data / name).mkdir()
        (place.data / name / "CACHEDIR.TAG").write_text(text)
        (place.data / name / "x.bin").write_bytes(bytes(1000))
    (place.data / "scratch" / "deep").mkdir(parents=True)
    (place.data / "scratch" / ".nobackup").touch()
    (place.data / "scratch" / "deep" / "y.bin").write_bytes(bytes(500))
    # A mark in the source itself says nothing: the job names it.
    (place.data / ".nobackup").touch()
    place.write_job(skip_if_present="[.nobackup, .never]", skip_caches="true")
    assert [line for line in stored(place) if line.split("/")[0] in ("build", "scratch")] == []
    assert left_out(place) == {"marked_folders": 2}
    assert "2 folders skipped because of a file in them" in place.run("plan", "job.yaml").out
    cache = explained(place, "build/x.bin")
    assert (cache["state"], cache["decided_at"]["path"], cache["rule"]["line"]) == ("skipped", "build", 9)
    marked = place.run("plan", "job.yaml", "--explain", "scratch/deep/y.bin")
    assert "job.yaml:8: skip_if_present: .nobackup" in marked.out
    document = json.loads(place.run("skips", "job.yaml", "--json").out)
    schema("skips")(document)
    assert {(line["text"], line["files"], line["bytes"]) for line in document["lines"]} == {
        ("skip_caches: true", 2, 1000 + len(TAG)),
        ("skip_if_present: .nobackup", 2, 500),
        ("skip_if_present: .never", 0, 0),
    }


def test_a_fifo_called_like_the_tag_holds_up_nothing(place: Any) -> None:
    os.mkfifo(place.data / "docs" / "CACHEDIR.TAG")
    place.write_job(skip_caches="true")
    assert "docs/a.txt" in stored(place)


def test_files_that_are_too_large_are_named(place: Any) -> None:
    (place.data / "small.bin").write_bytes(bytes(2000))
    (place.data / "large.bin").write_bytes(bytes(2001))
    place.write_job(max_file_size="2kB")
    assert "small.bin" in (found := stored(place))
    assert "large.bin" not in found
    assert left_out(place) == {"too_large": 1, "too_large_bytes": 2001}
    assert "1 file skipped as too large, 2001 bytes (max_file_size): large.bin" in place.run("plan", "job.yaml").out
    assert explained(place, "large.bin")["rule"]["text"] == "max_file_size: 2kB"
    # A file that grows beyond the limit leaves the snapshots that follow, and not those before.
    (place.data / "small.bin").write_bytes(bytes(3000))
    assert "small.bin" not in stored(place)
    assert place.run("restore", "job.yaml", "small.bin", "--at", "1", "--to", "back").code == 0


def test_a_source_overrides_what_the_job_says(place: Any) -> None:
    (place.root / "other").mkdir()
    (place.root / "other" / "large.bin").write_bytes(bytes(5000))
    (place.data / "large.bin").write_bytes(bytes(5000))
    text = place.job.read_text().replace("[{path: ./data}]", "[{path: ./data}, {path: ./other, max_file_size: 1MiB}]")
    place.job.write_text(text.replace("relative_path: ./data", "relative_path: .") + "max_file_size: 4kB\n")
    found = stored(place)
    assert "other/large.bin" in found
    assert "data/large.bin" not in found


def test_case_is_ignored_where_the_job_says_so(place: Any) -> None:
    for name in ("A.TMP", "b.tmp", "Cache", "keep"):
        (place.data / name).write_text(name)
    place.write_job(skip='["*.tmp", "[c]ache", "/Keep"]')
    assert {"A.TMP", "Cache", "keep"} <= set(stored(place))
    place.write_job(skip='["*.tmp", "[c]ache", "/Keep"]', skip_case_insensitive="true")
    assert not {"A.TMP", "b.tmp", "Cache", "keep"} & set(stored(place))
    assert explained(place, "A.TMP")["rule"]["text"] == "*.tmp"


def test_rules_in_a_file_come_first(place: Any, schema: Check) -> None:
    for name in ("a.log", "keep.log", "b.log"):
        (place.data / name).write_text(name)
    (place.root / "ignore").write_bytes(b"\xef\xbb\xbf# logs\r\n\r\n*.log\r\n")
    place.write_job(skip_from="[./ignore]", skip='["!keep.log"]')
    found = set(stored(place))
    assert "keep.log" in found
    assert not {"a.log", "b.log"} & found
    rule = explained(place, "a.log")["rule"]
    assert (rule["file"], rule["line"], rule["text"]) == (str(place.root / "ignore"), 3, "*.log")
    document = json.loads(place.run("skips", "job.yaml", "--json").out)
    schema("skips")(document)
    assert [(line["text"], line["files"]) for line in document["lines"]] == [("*.log", 2), ("!keep.log", 1)]
    (place.root / "ignore").write_text("*.txt\n")
    stale = place.run("plan", "job.yaml", "--out", "p")
    assert stale.code == 0, stale.err
    (place.root / "ignore").write_text("*.log\n")
    assert place.run("apply", "p", "--yes").code == 4, "the rules are part of the job"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.write_bytes(b"x\n" * 70_000), "is larger than 128 KiB"),
        (lambda path: path.write_bytes(b"x\n" * 10_001), "has more than 10000 rules"),
    ],
)
def test_a_file_of_rules_that_cannot_be_read_stops_the_job(place: Any, make: Any, said: str) -> None:
    make(place.root / "ignore")
    place.write_job(skip_from="[./ignore]")
    done = place.run("plan", "job.yaml")
    assert done.code == 1
    assert "job.yaml:8:13: error BR041" in done.err
    assert said in done.err


def test_validate_quotes_no_line_of_a_file_of_rules(place: Any) -> None:
    (place.root / "ignore").write_text("*\n./swordfish\n")
    place.write_job(skip_from="[./ignore]", skip='["!docs/a.txt"]', retention="{keep_last: 1}", guards="{min_files: 1}")
    done = place.run("validate", "job.yaml")
    assert "swordfish" not in done.out + done.err
    assert "BR071" in done.out + done.err
    assert 'a rule in "./ignore", line 1, skips the folder "docs/"' in done.out + done.err
