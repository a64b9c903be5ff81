"""`forget SNAPSHOT…`: a plan that is shown, whatever the retention says; what only these snapshots needed goes."""

from __future__ import annotations

import json
from typing import Any


def ids(place: Any) -> list[int]:
    return [one["id"] for one in json.loads(place.run("snapshots", "job.yaml", "--json").out)]


def objects(place: Any) -> int:
    return sum("/data/" in str(path) and path.is_file() for path in (place.root / "bucket").rglob("*"))


def test_named_snapshots_go_with_what_only_they_needed(place: Any) -> None:
    place.write_job(retention="{keep_last: 10}")
    for number in range(3):
        (place.data / "b.txt").write_bytes(bytes([number]) * (2 << 20))
        assert place.run("apply", "job.yaml", "--yes", "--tag", f"number-{number}").code == 0
    before = objects(place)
    shown = place.run("forget", "job.yaml", "tag:number-1", "--dry-run")
    assert (shown.code, ids(place)) == (0, [1, 2, 3])
    assert "forget" in shown.out
    assert "chosen: the snapshot of" in shown.out
    assert "delete" in shown.out
    done = place.run("forget", "job.yaml", "tag:number-1", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.lines()[-1]["counts"]["forget"] == 1
    assert ids(place) == [1, 3]
    assert objects(place) < before
    for at, byte in (("1", 0), ("3", 2)):
        assert place.run("restore", "job.yaml", "b.txt", "--at", at, "--to", f"back{at}").code == 0
        assert (place.root / f"back{at}" / "b.txt").read_bytes() == bytes([byte]) * (2 << 20)
    assert place.run("verify", "job.yaml", "--level", "data").code == 0


def test_what_is_not_forgotten(place: Any) -> None:
    assert place.run("apply", "job.yaml", "--yes").code == 0
    newest = place.run("forget", "job.yaml", "1", "--yes")
    assert newest.code == 64
    assert "newest complete" in newest.err
    assert place.run("forget", "job.yaml", "7", "--yes").code == 1
    assert place.run("forget", "job.yaml", "1").code == 64, "nobody to ask"
    assert ids(place) == [1]
