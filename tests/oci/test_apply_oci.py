"""`target check`, and whole runs of a job with its objects at the emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.oci.site import MIB, Site
from tests.oci_emulator.fixture import Running, start

SCHEMA = Path(__file__).parents[2] / "schemas" / "target-check.schema.json"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Site:
    return Site(tmp_path, running)


def test_target_check_that_finds_all_well(site: Site) -> None:
    done = site.run("target check")
    assert "MISSING" not in done.out
    assert "everything that a job may need works" in done.out
    assert list(site.bucket().list()) == []
    assert list(site.bucket().list_uploads()) == []


def test_target_check_says_what_is_missing(site: Site) -> None:
    user = site.emulator.new_user("append", deny=("OBJECT_DELETE", "OBJECT_READ"))
    done = site.with_target(auth={"config_file": user.config_file}).run("target check", "--json", codes=(1,))
    document = json.loads(done.out)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    missing = {check["operation"]: check["policy"] for check in document["checks"] if not check["ok"]}
    assert set(missing) == {"GetObject", "AbortMultipartUpload", "DeleteObject"}
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
    assert "everything that a job may need works" in site.run("target check").out
    assert [path.name for path in (site.root / "bucket").rglob("*") if path.is_file()] == [".lock"]


def test_apply_restore_verify(site: Site) -> None:
    for number in range(5):
        site.write(f"small/{number}", 100_000)
    site.write("large", 70 * MIB)
    site.apply()
    assert site.run("plan", "--detailed-exitcode").code == 0
    site.restore()
    site.compare()
    assert "verify passed" in site.run("verify", "--level", "data").out
