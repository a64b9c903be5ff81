"""No catalog here, and records in the bucket that cannot be read just now: nothing is begun anew beside them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest

from backup_runner.targets.base import Put
from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import Done, Site


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Iterator[Site]:
    """Two records in the bucket, and the catalog lost."""
    site = Site(tmp_path, running, patience=1)
    for name in ("a", "b"):
        site.write(name, 1000)
        site.apply()
    (tmp_path / "catalog.db").unlink()
    yield site
    running.clear_faults()


def lineages(site: Site) -> int:
    return len({item.name.split("/")[0] for item in site.bucket().list()})


def refused(site: Site) -> Done:
    done = site.apply(codes=(1,))
    assert lineages(site) == 1
    return done


def test_for_a_passing_reason(site: Site) -> None:
    name = f"{site.prefix}*/records/*"
    site.emulator.add_faults({"kind": "status", "status": 503, "operation": "GetObject", "name": name})
    assert "503 ServiceUnavailable" in refused(site).err
    assert "503 ServiceUnavailable" in site.run("catalog pull", codes=(1,)).err
    site.emulator.clear_faults()
    assert "already has backups of job" in refused(site).err


def test_for_want_of_permission(site: Site) -> None:
    user = site.emulator.new_user(site.root.name, deny=("OBJECT_READ",))
    host = site.with_target(auth={"config_file": user.config_file})
    done = refused(host)
    assert 'cannot read whether job "work" is among them' in done.err
    assert "--new-lineage" in done.err
    host.apply("--new-lineage")
    assert lineages(site) == 2


def test_because_the_newest_is_damaged(site: Site) -> None:
    bucket = site.bucket()
    newest = [item for item in bucket.list() if "/records/" in item.name][-1]
    data = b"not a record"
    bucket.put(newest.name, data, md5=md5(data).digest(), condition=Put.REPLACE, etag=newest.etag)
    assert "already has backups of job" in refused(site).err
