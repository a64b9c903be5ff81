"""Tags, notes and hosts of snapshots: given, shown, changed, used to choose by, kept by retention, and recovered."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[[str], Callable[[Any], None]]


def listed(place: Any, *arguments: str) -> list[dict[str, Any]]:
    done = place.run("snapshots", "job.yaml", "--json", *arguments)
    assert done.code == 0, done.err
    found: list[dict[str, Any]] = json.loads(done.out)
    return found


def apply(place: Any, *arguments: str) -> None:
    done = place.run("apply", "job.yaml", "--yes", *arguments)
    assert done.code == 0, done.err + done.out


def test_the_life_of_a_tag(place: Any, schema: Check) -> None:
    place.write_job(tags="[nightly]", retention="{keep_last: 1, keep_tags: [before-upgrade]}",
                    guards="{max_forget_percent: 100, max_free_percent: 100}")  # fmt: skip
    apply(place, "--tag", "before-upgrade", "--note", "kernel 6.12, 64 GiB")
    (place.data / "b.txt").write_text("changed")
    apply(place)
    (place.data / "b.txt").write_text("changed again")
    apply(place)
    found = listed(place)
    schema("snapshots")(found)
    # Snapshot 2 expired; snapshot 1 has the tag.
    assert [one["id"] for one in found] == [1, 3]
    assert found[0]["tags"] == ["before-upgrade", "nightly"]
    assert (found[0]["note"], found[0]["host"]) == ("kernel 6.12, 64 GiB", socket.gethostname())
    assert "tags" not in found[0]["totals"]
    text = place.run("snapshots", "job.yaml").out
    assert "before-upgrade, nightly" in text
    assert "kernel 6.12, 64 GiB" in text

    # Filters, wherever a snapshot is named.
    assert [one["id"] for one in listed(place, "--tag", "before-upgrade")] == [1]
    assert listed(place, "--host", "elsewhere") == []
    assert len(listed(place, "--since", "2020-01-01", "--until", "2100-01-01")) == 2
    assert listed(place, "--until", "2020-01-01") == []
    assert place.run("restore", "job.yaml", "b.txt", "--at", "tag:before-upgrade", "--to", "back").code == 0
    assert (place.root / "back" / "b.txt").read_text() == "second"
    assert place.run("diff", "job.yaml", "tag:before-upgrade", f"host:{socket.gethostname()},latest").code == 0
    nothing = place.run("files", "list", "job.yaml", "--at", "tag:none")
    assert nothing.code == 1
    assert "no snapshot tag:none" in nothing.err

    # Changed afterwards, and in the bucket: another machine sees it.
    tagged = place.run("snapshots", "tag", "job.yaml", "1", "--remove", "nightly", "--add", "kept", "--note", "")
    assert tagged.code == 0, tagged.err
    shutil.move(place.root / "catalog.db", place.root / "old.db")
    for ending in ("-wal", "-shm"):
        (place.root / f"catalog.db{ending}").unlink(missing_ok=True)
    assert (pulled := place.run("catalog", "pull", "job.yaml")).code == 0, pulled.err
    found = listed(place)
    assert (found[0]["tags"], found[0]["note"]) == (["before-upgrade", "kept"], "")
    assert found[1]["tags"] == ["nightly"]

    # Without the tag, nothing keeps it.
    assert place.run("snapshots", "tag", "job.yaml", "tag:kept", "--remove", "before-upgrade").code == 0
    assert (pruned := place.run("prune", "job.yaml", "--yes")).code == 0, pruned.err
    assert [one["id"] for one in listed(place)] == [3]


@pytest.mark.parametrize(
    "arguments",
    [
        ("apply", "job.yaml", "--yes", "--tag", "no spaces"),
        ("apply", "job.yaml", "--yes", "--tag", "a,b"),
        ("apply", "job.yaml", "--yes", "--note", "two\nlines"),
        ("apply", "job.yaml", "--yes", "--note", "x" * 501),
        ("snapshots", "tag", "job.yaml", "1"),
        ("snapshots", "tag", "job.yaml", "1", "--add", "-x"),
    ],
)
def test_wrong_usage(place: Any, capsys: Any, arguments: tuple[str, ...]) -> None:
    assert place.call(capsys, *arguments).code == 64


def test_a_job_with_a_wrong_tag(place: Any, capsys: Any) -> None:
    place.write_job(tags='["no spaces"]')
    done = place.call(capsys, "validate", "job.yaml")
    assert (done.code, "is not a tag" in done.out + done.err) == (1, True)
