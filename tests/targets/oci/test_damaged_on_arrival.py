"""Objects that were altered on their way in, unnoticed by the service: taken away again, and never taken for sound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.errors import ChecksumMismatch
from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import MIB, Site

_WRITE_ONLY = ("OBJECT_READ", "OBJECT_DELETE", "OBJECT_RESTORE")


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Iterator[Site]:
    yield Site(tmp_path, running, settings={"guards": {"max_change_percent": 100}})
    running.clear_faults()


def damage(site: Site, pattern: str, operation: str = "PutObject") -> None:
    name = f"{site.prefix}{pattern}"
    site.emulator.add_faults({"kind": "corrupt_stored", "operation": operation, "name": name, "count": 1})


def limited(site: Site, *deny: str) -> Site:
    """The same job as a user who lacks these permissions."""
    user = site.emulator.new_user(f"less-{site.root.name}", deny=deny)
    return site.with_target(auth={"config_file": user.config_file})


def as_owner(site: Site) -> Site:
    return site.with_target(auth={"config_file": site.emulator.owner.config_file})


def test_what_arrived_damaged_is_taken_away(site: Site) -> None:
    bucket, data = site.bucket(), os.urandom(1000)
    damage(site, "l/data/*")
    with pytest.raises(ChecksumMismatch):
        bucket.put("l/data/a", data, md5=md5(data).digest())
    assert list(bucket.list()) == []
    bucket.put("l/data/a", data, md5=md5(data).digest())
    assert bucket.get("l/data/a") == data


def test_a_damaged_pack_is_not_adopted(site: Site) -> None:
    """It cannot be deleted at once here. Its index is sound, and only reading it tells."""
    site.write("a", 100_000)
    damage(site, "*/data/*")
    host = limited(site, "OBJECT_DELETE")
    assert "the service reports MD5" in host.apply(codes=(1,)).err
    assert "was not reused: it is damaged" in host.apply().out
    done = host.run("verify", "--level", "data")
    assert "1 damaged or missing objects are not needed" in done.out
    assert "verify passed" in done.out
    host.restore()
    host.compare()
    owner = as_owner(site)
    assert len([item for item in site.bucket().list() if "/data/" in item.name]) == 2
    owner.run("prune", "--yes")
    assert len([item for item in site.bucket().list() if "/data/" in item.name]) == 1
    assert "damaged" not in owner.run("verify", "--level", "data").out


def test_a_damaged_record_is_put_again(site: Site) -> None:
    site.write("a", 1000)
    damage(site, "*/records/*")
    host = limited(site, "OBJECT_DELETE")
    host.apply(codes=(1,))
    done = host.apply(codes=(1,))
    assert "DeleteObject" in done.err
    assert "OBJECT_DELETE" in done.err
    owner = as_owner(site)
    # The plan counted on that record.
    owner.apply(codes=(4,))
    owner.apply()
    (owner.root / "catalog.db").unlink()
    owner.run("catalog pull")
    assert owner.run("plan", "--detailed-exitcode").code == 0


def test_a_damaged_record_whose_answer_got_lost_is_no_other_machines(site: Site) -> None:
    site.write("a", 1000)
    name = f"{site.prefix}*/records/*"
    for kind in ("corrupt_stored", "lost"):
        site.emulator.add_faults({"kind": kind, "operation": "PutObject", "name": name, "count": 1})
    assert "was damaged during upload and was deleted" in site.apply(codes=(1,)).err
    site.apply()
    assert "verify passed" in site.run("verify", "--level", "data").out


def test_a_record_that_cannot_be_looked_up_is_read(site: Site) -> None:
    """The answer to its put got lost, and for a while only reading works."""
    site.write("a", 1000)
    hasty = replace(site, patience=1)
    name = f"{site.prefix}*/records/*"
    rules: list[dict[str, object]] = [{"kind": "lost", "operation": "PutObject", "name": name, "count": 1}]
    rules += [{"kind": "status", "status": 503, "operation": "HeadObject", "name": name}]
    site.emulator.add_faults(*rules)
    hasty.apply()
    assert len(site.log("HeadObject")) > 1
    assert len([line for line in site.log("PutObject") if "/records/" in line["name"]]) == 2
    site.emulator.clear_faults()
    assert site.run("plan", "--detailed-exitcode").code == 0


def test_a_host_that_may_only_write(site: Site) -> None:
    """The policy of docs/oci-setup.md: its own lease stays, and it can read neither that nor what a killed run left."""
    host = limited(site, *_WRITE_ONLY)
    site.write("small", 1000)
    site.write("large", 70 * MIB)
    host.apply()
    site.write("more", 2000)
    lineage = next(site.bucket().list()).name.split("/")[0]
    orphan, data = f"{lineage}/data/{'0' * 32}", b"left by a killed run"
    site.bucket().put(orphan, data, md5=md5(data).digest())
    done = host.apply()
    assert "continuing without a lease, because policy forbids reading the existing one" in done.out
    assert f"{orphan} was not reused: policy forbids reading it" in done.out
    site.bucket().delete(orphan)
    assert host.run("plan", "--detailed-exitcode").code == 0
    owner = as_owner(site)
    owner.restore()
    owner.compare()
