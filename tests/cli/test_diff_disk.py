"""`diff` with one snapshot: what is different on disk now."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backup_runner import apply, browse, load_job
from tests.cli.conftest import Place, furnished

Check = Callable[[str], Callable[[Any], None]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = furnished(tmp_path)
    found.write_job(skip='["*.tmp"]', symlinks="store")
    (found.data / "gone.txt").write_text("gone")
    (found.data / "same.txt").write_text("same")
    (found.data / "docs" / "link").symlink_to("a.txt")
    (found.data / "docs" / "late.tmp.txt").write_text("later skipped")
    assert apply(load_job(str(found.job))).status == "complete"
    return found


def changes(place: Place, *paths: str, **options: Any) -> list[tuple[bytes, str, tuple[str, ...]]]:
    with browse(load_job(str(place.job))) as past:
        found = past.diff("latest", None, paths, **options)
        listed = [(one.key, one.change, one.what) for one in found.differences if one.key not in (b"", b"docs/")]
        assert found.problems == []
        return listed


def test_nothing_changed(place: Place) -> None:
    assert changes(place) == []


def test_each_kind_of_change(place: Place) -> None:
    docs = place.data / "docs"
    (place.data / "new.txt").write_text("new")
    (place.data / "new.tmp").write_text("skipped")
    (place.data / "gone.txt").unlink()
    (docs / "link").unlink()
    (docs / "link").symlink_to("b.txt")
    (docs / "a.txt").chmod(0o600)
    os.utime(place.data / "same.txt", ns=(5, 5))
    (place.data / "b.txt").write_text("2nd, longer")
    found = {key: (change, set(what)) for key, change, what in changes(place)}
    assert found.pop(b"docs/link")[0] == "changed"
    assert found == {
        b"b.txt": ("changed", {"content", "size", "mtime"}),
        b"docs/a.txt": ("touched", {"mode"}),
        b"gone.txt": ("removed", set()),
        b"new.txt": ("added", set()),
        b"same.txt": ("touched", {"mtime"}),
    }
    assert [key for key, *_ in changes(place, "docs")] == [b"docs/a.txt", b"docs/link"]
    assert [key for key, *_ in changes(place, "*.txt", exclude=["docs/", "b.txt"])] == [
        b"gone.txt", b"new.txt", b"same.txt"
    ]  # fmt: skip


def test_bytes_that_changed_behind_the_times(place: Place) -> None:
    path = place.data / "same.txt"
    before = path.stat().st_mtime_ns
    path.write_text("eman")
    os.utime(path, ns=(before, before))
    assert changes(place) == []
    assert changes(place, checksum=True) == [(b"same.txt", "changed", ("content",))]


def test_what_the_job_now_skips_is_counted(place: Place) -> None:
    place.write_job(skip='["*.tmp.txt"]', symlinks="store")
    with browse(load_job(str(place.job))) as past:
        found = past.diff("latest")
        assert [one for one in found.differences if one.key not in (b"", b"docs/")] == []
        assert found.left_out() == 1


def test_the_command(place: Place, schema: Check) -> None:
    (place.data / "new.txt").write_text("new")
    done = place.run("diff", "job.yaml", "latest")
    assert done.code == 0, done.err
    assert "+ new.txt  3 B" in done.out
    assert "→ the disk: 1 added" in done.out or "-> the disk: 1 added" in done.out
    done = place.run("diff", "job.yaml", "latest", "docs", "--json")
    lines = done.lines()
    for line in lines:
        schema("diff")(line)
    assert lines[-1]["to"] is None
    assert lines[-1]["counts"] == {}
    done = place.run("diff", "job.yaml", "1", "latest", "docs")
    assert "the disk" not in done.out, json.dumps(done.out)
