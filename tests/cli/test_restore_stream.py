"""`restore --to -` and `--as-tar`: bytes on stdout that another program reads, compared by GNU tar."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.jobs import assert_same, photograph


def stream(place: Any, *arguments: str) -> tuple[int, bytes, str]:
    done = subprocess.run(
        [sys.executable, "-m", "backup_runner", "restore", "job.yaml", *arguments],
        cwd=place.root, env=place.environment(), capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr.decode()


def test_one_file_and_a_tree(place: Any, tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (place.data / "large.bin").write_bytes(data)
    os.link(place.data / "large.bin", place.data / "docs" / "again.bin")
    (place.data / "docs" / "link").symlink_to("a.txt")
    (place.data / "docs" / "ümlaut \n").write_text("odd name")
    (place.data / "docs").chmod(0o750)
    (place.data / "b.txt").chmod(0o4711)
    os.utime(place.data / "b.txt", ns=(1, 1_600_000_000_123_456_789))
    place.write_job(symlinks="store")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "b.txt").unlink()

    assert stream(place, "large.bin", "--to", "-")[:2] == (0, data)
    assert stream(place, "docs/a.txt", "--at", "1", "--to", "-")[:2] == (0, b"first")
    for words in (["docs"], [], ["b.txt", "large.bin"], ["docs/link"]):
        code, out, err = stream(place, *words, "--to", "-")
        assert (code, out) == (64, b""), words
        assert "--as-tar -" in err

    code, archive, err = stream(place, "--as-tar", "-")
    assert code == 0, err
    goal = place.root / "unpacked"
    goal.mkdir()
    subprocess.run(["tar", "-xpf", "-", "-C", goal], input=archive, check=True)
    (place.root / "back").mkdir()
    assert place.run("restore", "job.yaml", "--to", "back").code == 0
    there, unpacked = photograph(place.root / "back"), photograph(goal)
    for found in (there, unpacked):
        found.pop(b".")
    assert_same(there, unpacked)
    # Nothing is left in the work directory, and a file is not overwritten.
    assert not list((place.root / "catalog.db.work").glob("stream-*"))
    assert place.run("restore", "job.yaml", "docs", "--as-tar", "docs.tar").code == 0
    assert (place.root / "docs.tar").stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(["tar", "-tf", place.root / "docs.tar"], check=True, capture_output=True).stdout
    assert b"docs/a.txt" in listed
    assert b"b.txt" not in listed
    assert place.run("restore", "job.yaml", "docs", "--as-tar", "docs.tar").code == 64


def test_a_damaged_file_writes_nothing(place: Any) -> None:
    assert place.run("apply", "job.yaml", "--yes").code == 0
    for path in (place.root / "bucket").rglob("*"):
        if "/data/" in str(path) and path.is_file():
            size = path.stat().st_size
            path.chmod(0o600)
            path.write_bytes(bytes(size))
    code, out, err = stream(place, "b.txt", "--to", "-")
    assert (code, out) == (3, b"")
    assert "b.txt" in err
