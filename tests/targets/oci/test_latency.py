"""Apply through 20 ms of latency on every request, and without: how much of the throughput is left."""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests.oci_emulator.fixture import Running, start
from tests.targets.oci.site import MIB, Site

FULL = os.environ.get("PROOF") == "full"
LARGE = 2048 * MIB if FULL else 5 * MIB
SMALL, FILES = (512 * 1024, 4096) if FULL else (64 * 1024, 256)
LATENCY = 0.02
# In turn, and the best of each: whatever else the machine does strikes both alike.
TURNS = (0.0, LATENCY) * 3 if FULL else (LATENCY,)


def cpu_of_emulator(running: Running) -> float:
    """Seconds, from the process's own account (proc(5))."""
    fields = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def apply_once(site: Site, latency: float, size: int) -> float:
    """MiB a second; prints what the run was busy with, and empties the bucket again."""
    running = site.emulator
    running.clear_log()
    running.settings(latency=latency)
    own, other, started = cpu_of_children(), cpu_of_emulator(running), time.monotonic()
    site.apply()
    wall = time.monotonic() - started
    own, other = cpu_of_children() - own, cpu_of_emulator(running) - other
    running.settings(latency=0)
    requests = site.log()
    waited = sum(line["milliseconds"] for line in requests) / 1000
    print(
        f"latency {latency * 1000:.0f} ms: {size / MIB / wall:.0f} MiB/s in {wall:.0f} s; {own / wall:.2f} cores for "
        f"apply, {other / wall:.2f} for the emulator, of {os.cpu_count()}; {len(requests)} requests, on average "
        f"{waited / wall:.1f} at one time"
    )
    bucket = site.bucket()
    for item in bucket.list():
        bucket.delete(item.name)
    return size / MIB / wall


@pytest.mark.proof
def test_latency_costs_little(tmp_path: Path) -> None:
    with start(tmp_path / "emulator") as running:
        source = Site(tmp_path / "source", running)
        for number in range(FILES):
            source.write(f"small/{number // 100}/{number}", SMALL)
        source.write("large", LARGE)
        settings = {"sources": [{"path": str(source.data)}], "relative_path": str(source.data)}
        rates: dict[float, list[float]] = defaultdict(list)
        for number, latency in enumerate(TURNS):
            site = Site(tmp_path / f"turn-{number}", running, settings=settings)
            rates[latency].append(apply_once(site, latency, LARGE + SMALL * FILES))
        assert rates[LATENCY]
        if FULL:
            left = max(rates[LATENCY]) / max(rates[0.0])
            print(f"{100 * left:.0f} % of the throughput is left")
            assert left >= 0.8
