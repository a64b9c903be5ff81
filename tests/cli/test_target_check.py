"""`target check` of a folder; that of a bucket is in tests/targets/oci/test_write_only_host.py."""

from __future__ import annotations

from typing import Any


def test_all_works(place: Any) -> None:
    done = place.run("target", "check", "job.yaml")
    assert (done.code, done.out.splitlines()[-1]) == (0, "all operations work")


def test_a_folder_cannot_be_write_only(place: Any) -> None:
    done = place.run("target", "check", "job.yaml", "--write-only")
    assert (done.code, done.out) == (64, "")
    assert "a folder cannot allow adding files and deny reading, replacing or deleting them" in done.err
    assert "hint: leave out --write-only" in done.err
    assert "oci" not in done.err
