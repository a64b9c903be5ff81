"""`target check`, and whole runs of a job with its objects at the emulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import MIB, Site

SCHEMA = Path(__file__).parents[3] / "schemas" / "target-check.schema.json"


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Site:
    return Site(tmp_path, running)


def test_target_check_that_finds_all_well(site: Site) -> None:
    done = site.run("target check")
    assert "MISSING" not in done.out
    assert "all operations work" in done.out
    assert list(site.bucket().list()) == []


def test_target_check_says_what_is_missing(site: Site) -> None:
    user = site.emulator.new_user("append", deny=("OBJECT_DELETE", "OBJECT_READ"))
    done = site.with_target(auth={"config_file": user.config_file}).run("target check", "--json", codes=(1,))
    document = json.loads(done.out)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    missing = {check["operation"]: check["policy"] for check in document["checks"] if not check["ok"]}
    assert set(missing) == {"GetObject", "DeleteObject"}
    assert "request.permission='OBJECT_READ'" in missing["GetObject"]
    assert "MISSING GetObject" in done.err
    assert done.err.count(missing["DeleteObject"]) == 1


def test_target_check_where_nothing_works_is_one_error(site: Site) -> None:
    done = site.with_target(bucket="no-such-bucket").run("target check", codes=(1,))
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert "there is no bucket no-such-bucket" in done.err


def test_target_check_of_a_directory(site: Site) -> None:
    site.target = {}
    site.settings = {"target": {"type": "directory", "path": "./bucket"}}
    site.write_job()
    assert "all operations work" in site.run("target check").out
    assert [path.name for path in (site.root / "bucket").rglob("*") if path.is_file()] == [".lock"]


def test_limits_are_shared_by_the_workers(site: Site) -> None:
    for number in range(48):
        site.write(f"small/{number}", MIB // 2)
    limited = site.with_target(limits={"upload": "6MiB/s", "requests_in_flight": 2})
    # So many packs that all workers have one.
    site.emulator.clear_log()
    limited.apply("--workers", "3")
    puts = [line for line in site.log("PutObject") if "/data/" in line["name"]]
    spans = [(line["time"] - line["milliseconds"] / 1000, line["time"]) for line in puts]
    assert len(puts) >= 2
    seconds = max(end for _, end in spans) - min(begin for begin, _ in spans)
    # Half a second for bursts: what sockets buffer, and a quarter of a second's worth for each worker.
    assert seconds > sum(line["received"] for line in puts) / (6 * MIB) - 1
    most = max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)
    assert most <= 2
    site.emulator.clear_log()
    site.with_target(limits={"download": "12MiB/s", "requests_in_flight": 2})
    site.restore("--workers", "3", "--overwrite", "always")
    gets = [line for line in site.log("GetObject") if "/data/" in line["name"]]
    spans = [(line["time"] - line["milliseconds"] / 1000, line["time"]) for line in gets]
    seconds = max(end for _, end in spans) - min(begin for begin, _ in spans)
    assert seconds > sum(line["sent"] for line in gets) / (12 * MIB) - 1
    most = max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)
    assert most <= 2
    site.compare()
