"""Objects that a lifecycle rule moved to the archive tier: the service's state counts, not the catalog's."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import MIB, Site


@pytest.fixture
def site(running: Running, tmp_path: Path) -> Site:
    running.settings(restore_delay=0)
    running.clear_log()
    site = Site(tmp_path, running)
    site.write("small", 1000)
    site.write("large", 5 * MIB)
    site.apply()
    return site


def archive(site: Site, part: str) -> list[str]:
    """What a lifecycle rule does; the names."""
    import oci

    config = oci.config.from_file(site.emulator.owner.config_file)
    client: Any = oci.object_storage.ObjectStorageClient(config, service_endpoint=site.emulator.url)
    names = [item.name for item in site.bucket().list() if part in item.name]
    for name in names:
        details = {"objectName": site.prefix + name, "storageTier": "Archive"}
        client.update_object_storage_tier(site.emulator.namespace, site.emulator.bucket, details)
    return names


def test_restore_sees_it_and_thaws(site: Site) -> None:
    names = archive(site, "/data/")
    done = site.restore("--json", codes=(3,))
    assert {line["problem"] for line in done.lines() if line["kind"] == "problem"} == {"archived"}
    assert "--thaw" in done.err
    done = site.restore("--thaw", "--json", codes=(3,))
    assert len(site.emulator.log("RestoreObjects")) == len(names)
    assert done.summary["pending_thaw"] == len(names)
    site.restore("--thaw")
    site.compare()


def test_a_large_restore_asks_by_listing(site: Site, running: Running) -> None:
    for number in range(20):
        site.write(f"more/{number}", 1000)
        site.apply()
    names = archive(site, "/data/")
    site.restore("--thaw", codes=(3,))
    assert len(site.emulator.log("RestoreObjects")) == len(names)
    site.restore("--thaw")
    site.compare()


def test_plan_says_so(site: Site) -> None:
    assert "archive tier" not in site.run("plan").out
    names = archive(site, "/data/")
    archive(site, "/records/")
    done = site.run("plan", "--detailed-exitcode")
    text = done.out + done.err
    assert f"{len(names)} object(s) were moved to the archive tier" in text
    assert "--thaw" in text
    assert "1 record(s) of the catalog are in the archive tier" in text
    site.write("new", 1000)
    site.apply()
    with sqlite3.connect(site.root / "catalog.db") as conn:
        tiers = dict(conn.execute("SELECT name, tier FROM object"))
    assert {tiers[name] for name in names} == {"Archive"}


def test_verify_calls_nothing_damaged(site: Site) -> None:
    archive(site, "/")
    done = site.run("verify", "--level", "data")
    assert "verify passed" in done.out
    assert "objects are in the archive tier and were not read" in done.out
    assert "1 records are in the archive tier and were not read" in done.out


@pytest.mark.parametrize("command", ["pull", "rebuild"])
def test_records_are_thawed_for_recovery(site: Site, command: str) -> None:
    names = archive(site, "/")
    (site.root / "catalog.db").unlink()
    more = ["--yes"] if command == "rebuild" else []
    done = site.run(f"catalog {command}", *more, codes=(1,))
    [count] = re.findall(r"(\d+) records, copies or keys of the catalog are in the archive tier", done.err)
    assert int(count) == len([name for name in names if "/data/" not in name])
    assert "--thaw" in done.err
    assert not site.emulator.log("RestoreObjects")
    done = site.run(f"catalog {command}", "--thaw", "--thaw-hours", "48", *more, codes=(1,))
    assert "being thawed for 48 hours" in done.err
    assert len(site.emulator.log("RestoreObjects")) == int(count)
    site.run(f"catalog {command}", *more)
    assert site.run("plan", "--detailed-exitcode").code == 0
    site.restore("--thaw", codes=(3,))
    site.restore()
    site.compare()


def test_a_new_machine_does_not_take_the_bucket_for_empty(site: Site) -> None:
    archive(site, "/records/")
    (site.root / "catalog.db").unlink()
    done = site.run("apply", "--yes", codes=(1,))
    assert "archive" in done.err
    lineages = {item.name.split("/")[0] for item in site.bucket().list()}
    assert len(lineages) == 1


def test_an_apply_goes_on_when_everything_old_is_archived(site: Site) -> None:
    site.write("new", 1000)
    archive(site, "/")
    site.apply()
    archive(site, "/")
    names = [item.name for item in site.bucket().list() if "/data/" in item.name and item.tier == "Archive"]
    site.bucket().delete(names[0])
    site.apply()


def test_thaw_hours_are_what_the_service_takes(site: Site) -> None:
    for hours in ("0", "241", "1000"):
        done = site.restore("--thaw", "--thaw-hours", hours, codes=(64,))
        assert "240" in done.err or hours == "0"


def test_nothing_is_deleted_before_what_replaces_it_is_thawed(site: Site) -> None:
    """A folder in the place of a file, a file in the place of a folder, and the same bytes under another name."""
    site.write("folder/inner", 1000)
    site.write("folder/large", 5 * MIB, seed=1)
    site.apply()
    archive(site, "/data/")
    (site.back / "small").mkdir(parents=True)
    kept = [site.back / "small" / "old", site.back / "folder", site.back / "renamed"]
    for path in kept:
        path.write_text("precious")
    delete = ("--delete", "--yes", "--overwrite", "changed")
    for more in (("--dry-run",), (), ("--thaw",)):
        done = site.restore(*delete, *more, codes=(3,))
        assert [path.read_text() for path in kept] == ["precious"] * 3
        assert "4 files and folders are not deleted before the archived files are restored" in done.out + done.err
    done = site.restore(*delete, "--json")
    assert done.summary["counts"]["deleted"] == 3
    site.compare()
