"""A killed apply of a large file goes on where it was; the emulator's log proves what was sent."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import MIB, Site, kill_group

FULL = os.environ.get("PROOF") == "full"
SIZE = 1024 * MIB if FULL else 200 * MIB
_PACK = 32 * MIB
_SLOW = 0.15
"""Seconds of latency while a run is to be killed, so that the half is not missed."""


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Site:
    return Site(tmp_path, running)


def packs(site: Site) -> list[str]:
    """Packs that the service took, one for each time."""
    return [line["name"] for line in site.log("PutObject") if line["status"] == 200 and "/data/" in line["name"]]


def killed_when(site: Site, reached: Callable[[], bool], *arguments: str) -> None:
    """Begin an apply and kill all of its processes once `reached`."""
    site.emulator.settings(latency=_SLOW)
    process: subprocess.Popen[str] = site.begin("apply", "--yes", *arguments)
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kill_group(process)
    site.emulator.settings(latency=0)
    # Requests that were wholly sent when their sender died are still carried out.
    time.sleep(2 * _SLOW)


@pytest.mark.proof
def test_packs_that_arrived_are_not_sent_again(site: Site) -> None:
    """Whatever the number of workers: what two killed runs stored is recorded or adopted, and used."""
    site.write("small", 1000)
    site.write("large", SIZE)
    killed_when(site, lambda: len(packs(site)) >= SIZE // _PACK // 3, "--workers", "2")
    first = len(packs(site))
    killed_when(site, lambda: len(packs(site)) > first + 1, "--workers", "1")
    second = len(packs(site))
    site.apply("--workers", "3")
    sent = packs(site)
    assert len(set(sent)) == len(sent)
    stored = sum(item.size for item in site.bucket().list() if "/data/" in item.name)
    assert stored < SIZE * 1.02 + 4 * MIB
    print(
        f"{SIZE // MIB} MiB in {len(sent)} packs: {first} before the first kill, {second - first} before the second, "
        f"{len(sent) - second} in the last run; {stored / MIB:.1f} MiB stored"
    )
    assert site.run("plan", "--detailed-exitcode").code == 0
    site.restore()
    site.compare()
    assert site.log("CreateMultipartUpload") == []


def test_uploads_in_parts_of_an_older_version_are_aborted_once(site: Site) -> None:
    """What its journal still names goes; nobody looks for others, nor looks again."""
    site.write("file", 1000)
    site.apply()
    client, place = site.emulator.client(), (site.emulator.namespace, site.emulator.bucket)
    lineage = next(site.bucket().list()).name.split("/")[0]
    left, foreign = (
        client.create_multipart_upload(*place, {"object": f"{site.prefix}{lineage}/data/{digit * 32}"}).data.upload_id
        for digit in "01"
    )
    with contextlib.closing(sqlite3.connect(site.root / "catalog.db")) as cat:
        cat.execute(
            "INSERT INTO upload (store_id, name, upload) SELECT id, ?, ? FROM store",
            (f"{lineage}/data/{'0' * 32}", left),
        )
        cat.commit()
    site.write("file", 2000)
    site.apply()
    assert [found.upload_id for found in client.list_multipart_uploads(*place).data] == [foreign]
    asked = len(site.log("AbortMultipartUpload"))
    site.write("file", 3000)
    site.apply()
    assert len(site.log("AbortMultipartUpload")) == asked == 1
