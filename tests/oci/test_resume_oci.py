"""A killed apply of a large file goes on where it was; the emulator's log proves what was sent."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.oci.site import MIB, Site, kill_group
from tests.oci_emulator.fixture import Running, start

FULL = os.environ.get("PROOF") == "full"
SIZE = 1024 * MIB if FULL else 200 * MIB
_PART = 16 * MIB
_SLOW = 0.15
"""Seconds of latency while a run is to be killed, so that the half is not missed."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Site:
    return Site(tmp_path, running)


def confirmed(site: Site) -> Counter[tuple[str, int]]:
    """How often each part of an upload was taken by the service."""
    return Counter(
        (line["query"]["uploadId"], int(line["query"]["uploadPartNum"]))
        for line in site.log("UploadPart")
        if line["status"] == 200
    )


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
def test_confirmed_parts_are_not_sent_again(site: Site) -> None:
    site.write("small", 1000)
    site.write("large", SIZE)
    half = SIZE // _PART // 2
    killed_when(site, lambda: len(confirmed(site)) >= half, "--workers", "2")
    first = confirmed(site)
    killed_when(site, lambda: len(confirmed(site)) > len(first) + 1, "--workers", "1")
    second = confirmed(site)
    site.apply("--workers", "3")
    everything = confirmed(site)
    whole = site.log("CommitMultipartUpload")
    assert [line["status"] for line in whole] == [200]
    assert {upload for upload, _ in everything} == {whole[0]["query"]["uploadId"]}
    assert sorted(number for _, number in everything) == list(range(1, len(everything) + 1))
    assert set(everything.values()) == {1}
    print(
        f"{SIZE // MIB} MiB in {len(everything)} parts: {len(first)} before the first kill, {len(second) - len(first)} "
        f"before the second, {len(everything) - len(second)} in the last run; none was sent twice"
    )
    assert site.run("plan", "--detailed-exitcode").code == 0
    site.restore()
    site.compare()


def test_what_is_no_longer_wanted_is_aborted_and_what_is_gone_begun_anew(site: Site) -> None:
    """Left by a kill: an upload of a file that vanished, and one that somebody aborted."""
    vanishing, staying = site.write("1", 70 * MIB), site.write("2", 70 * MIB)
    killed_when(site, lambda: any(n[1] == 2 for n in confirmed(site)))
    bucket = site.bucket()
    ((name, upload, _),) = bucket.list_uploads()
    lineage = name.split("/")[0]
    unknown = bucket.begin_upload(f"{lineage}/data/{'0' * 32}")
    foreign = bucket.begin_upload(f"{'f' * 32}/data/{'0' * 32}")
    assert unknown != upload
    vanishing.unlink()
    killed_when(site, lambda: sum(n[0] not in (upload, unknown) for n in confirmed(site)) >= 2)
    ((name, second, _),) = [found for found in bucket.list_uploads() if found[1] not in (upload, unknown, foreign)]
    bucket.abort_upload(name, second)
    site.apply()
    assert [found[1] for found in bucket.list_uploads()] == [foreign]
    site.restore()
    assert (site.back / "2").read_bytes() == staying.read_bytes()
