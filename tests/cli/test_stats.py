"""`stats`: sizes, ratios, growth, folders, and what pruning would free; the same on the page of `report`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 1 << 20


def stats(place: Any) -> dict[str, Any]:
    done = place.run("stats", "job.yaml", "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_sizes_ratios_and_growth(place: Any, schema: Callable[[str], Callable[[Any], None]]) -> None:
    noise = os.urandom(4 * MIB)
    (place.data / "noise.bin").write_bytes(noise)
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "again.bin").write_bytes(noise)
    (place.data / "docs" / "long.txt").write_text("the same line\n" * 300_000)
    assert place.run("apply", "job.yaml", "--yes").code == 0
    found = stats(place)
    schema("stats")(found)
    text = 14 * 300_000
    assert found["sources"] == [{"path": str(place.data), "files": 5, "bytes": 8 * MIB + text + 11}]
    assert (found["versions"], found["version_bytes"]) == (5, 8 * MIB + text + 11)
    assert found["distinct_bytes"] == 4 * MIB + text + 11
    assert found["unique_bytes"] <= found["distinct_bytes"]
    assert found["deduplication"] > 1.4
    assert found["compression"] > 1.2
    assert found["object_bytes"] == sum(path.stat().st_size for path in bucket(place))
    assert found["objects"] == len(bucket(place))
    first, second = found["snapshots"]
    assert first["bytes"] == 4 * MIB + 11
    assert first["kept_bytes"] < second["kept_bytes"] == found["object_bytes"]
    assert next(one["path"] for one in found["folders"] if one["bytes"] > MIB) in ("", "docs/")
    assert sum(one["bytes"] for one in found["folders"]) == 8 * MIB + text + 11
    assert found["prune"] == {"snapshots": 0, "objects": 0, "bytes": 0, "guards": []}


def bucket(place: Any) -> list[Path]:
    return [path for path in (place.root / "bucket").rglob("*") if path.is_file() and path.parent.name == "data"]


def test_what_pruning_would_free_is_what_it_frees(place: Any) -> None:
    (place.data / "noise.bin").write_bytes(os.urandom(4 * MIB))
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "noise.bin").unlink()
    assert place.run("apply", "job.yaml", "--yes").code == 0
    place.write_job(retention="{keep_last: 1}", guards="{max_forget_percent: 100, max_free_percent: 100}")
    before = stats(place)
    assert before["prune"]["snapshots"] == 1
    assert before["prune"]["bytes"] > 3 * MIB
    said = place.run("stats", "job.yaml")
    assert said.code == 0, said.err
    assert "`prune` would free about" in said.out
    assert place.run("prune", "job.yaml", "--yes").code == 0
    after = stats(place)
    freed = before["object_bytes"] - after["object_bytes"]
    assert abs(freed - before["prune"]["bytes"]) < 0.1 * freed
    assert after["prune"]["bytes"] == 0


def test_the_report_has_them_as_plots(place: Any) -> None:
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "more.bin").write_bytes(os.urandom(MIB))
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert place.run("report", "job.yaml", "--html", "report.html").code == 0
    page = (place.root / "report.html").read_text()
    for words in ("deduplicated", "compressed", "Of what is stored now, there by then", "New in each, uncompressed"):
        assert words in page


def test_before_the_first_apply(place: Any) -> None:
    done = place.run("stats", "job.yaml")
    assert done.code == 1
    assert "apply" in done.err
