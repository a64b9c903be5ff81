"""Apply through 20 ms of latency on every request, and without: how much of the throughput is left."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.oci.site import MIB, Site
from tests.oci_emulator.fixture import start

FULL = os.environ.get("PROOF") == "full"
LARGE = 2048 * MIB if FULL else 5 * MIB
SMALL, FILES = (512 * 1024, 4096) if FULL else (64 * 1024, 256)
LATENCY = 0.02


@pytest.mark.proof
def test_latency_costs_little(tmp_path: Path) -> None:
    with start(tmp_path / "emulator", "--root", str(tmp_path / "objects")) as running:
        first = Site(tmp_path / "without", running)
        for number in range(FILES):
            first.write(f"small/{number // 100}/{number}", SMALL)
        first.write("large", LARGE)
        size = LARGE + SMALL * FILES
        rates = {}
        for latency in (0.0, LATENCY) if FULL else (LATENCY,):
            settings = {"sources": [{"path": str(first.data)}], "relative_path": str(first.data)}
            site = Site(tmp_path / f"after-{latency}", running, settings=settings)
            running.settings(latency=latency)
            started = time.monotonic()
            site.apply()
            rates[latency] = size / (time.monotonic() - started)
            running.settings(latency=0)
            puts = [line["milliseconds"] for line in site.log("PutObject", "UploadPart")]
            print(f"latency {latency * 1000:.0f} ms: {rates[latency] / MIB:.0f} MiB/s, {len(puts)} puts and parts")
            assert site.run("plan", "--detailed-exitcode").code == 0
            bucket = site.bucket()
            for item in bucket.list():
                bucket.delete(item.name)
        if FULL:
            print(f"{100 * rates[LATENCY] / rates[0.0]:.0f} % of the throughput is left")
            assert rates[LATENCY] >= 0.8 * rates[0.0]
