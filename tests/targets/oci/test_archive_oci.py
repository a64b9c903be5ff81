"""Archive tier, end to end: what must be readable at once lies in Standard, and the rest is thawed when asked for."""

from __future__ import annotations

import os
import time
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.errors import ObjectArchived
from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import MIB, Site


@pytest.fixture(scope="module")
def site(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A pack and a large object in Archive."""
    site = Site(tmp_path_factory.mktemp("archive"), running, {"storage_tier": "Archive"})
    for number in range(3):
        site.write(f"small/{number}", 1000)
    site.write("large", 5 * MIB)
    site.apply()
    return site


def tiers(site: Site) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in site.bucket().list():
        found.setdefault(item.name.split("/")[1], set()).add(item.tier)
    return found


def test_what_must_be_readable_at_once_lies_in_standard(site: Site) -> None:
    assert tiers(site) == {"data": {"Archive"}, "records": {"Standard"}, "keys": {"Standard"}}


def test_plan_apply_verify_and_recovery_need_no_thaw(site: Site) -> None:
    site.emulator.clear_log()
    site.apply()
    assert "verify passed" in site.run("verify").out
    out = site.run("verify", "--level", "data").out
    assert "verify passed" in out
    assert "2 objects are in the archive tier and were not read" in out
    (site.root / "catalog.db").unlink()
    site.run("catalog rebuild", "--yes")
    assert site.run("plan", "--detailed-exitcode").code == 0
    assert not [line for line in site.log("GetObject") if "/data/" in line["name"]]


def test_restore_asks_waits_and_goes_on(site: Site) -> None:
    done = site.restore("--json", codes=(3,))
    assert {line["problem"] for line in done.lines() if line["kind"] == "problem"} == {"archived"}
    assert done.summary["pending_thaw"] == 0
    assert "2 archived objects" in done.err
    assert "--thaw" in done.err
    assert site.log("RestoreObjects") == []
    site.emulator.settings(restore_delay=600)
    done = site.restore("small", "--thaw", "--thaw-hours", "48", "--json", codes=(3,))
    assert done.summary["pending_thaw"] == 1
    assert "48 hours" in done.err
    # Only what is needed was asked for; the pack is pending, the large object now becomes ready at once.
    assert len(site.emulator.log("RestoreObjects")) == 1
    site.emulator.settings(restore_delay=0)
    site.restore("--thaw", codes=(3,))
    assert len(site.emulator.log("RestoreObjects")) == 2
    done = site.restore("--json", codes=(3,))
    assert done.summary["pending_thaw"] == 1
    assert (site.back / "large").read_bytes() == (site.data / "large").read_bytes()
    assert not [path for path in site.back.rglob("*") if path.is_file() and path.name != "large"]


def test_once_all_is_thawed_everything_comes_back(running: Running, tmp_path: Path) -> None:
    site = Site(tmp_path, running, {"storage_tier": "Archive"})
    site.write("a", 1000)
    site.write("b", 5 * MIB)
    site.apply()
    site.emulator.settings(restore_delay=0.3)
    site.restore("--thaw", codes=(3,))
    time.sleep(0.3)
    site.restore("--thaw")
    site.compare()
    assert "verify passed" in site.run("verify", "--level", "data").out


def test_an_archived_orphan_does_not_stop_an_apply(site: Site) -> None:
    bucket = site.bucket(storage_tier="Archive")
    lineage = next(bucket.list()).name.split("/")[0]
    name, data = f"{lineage}/data/{os.urandom(16).hex()}", b"left by a killed run"
    bucket.put(name, data, md5=md5(data).digest())
    with pytest.raises(ObjectArchived):
        bucket.get(name)
    done = site.apply()
    assert f"{name} was not reused: it is in the archive tier" in done.out + done.err
    bucket.delete(name)
