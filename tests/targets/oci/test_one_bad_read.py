"""One byte that arrives wrong in one answer: read again, and nothing is believed, recorded or called lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import MIB, Site


@pytest.fixture
def site(tmp_path: Path, running: Running) -> Iterator[Site]:
    site = Site(tmp_path, running)
    for number in range(5):
        site.write(f"small/{number}", 3000)
    site.write("large", 9 * MIB)
    site.apply()
    yield site
    running.clear_faults()


def flip(site: Site, pattern: str, *, skip: int = 0, at: float = 0.5) -> None:
    """One byte of one answer to a GET."""
    site.emulator.clear_faults()
    site.emulator.add_faults(
        {
            "kind": "corrupt",
            "operation": "GetObject",
            "name": f"{site.prefix}{pattern}",
            "count": 1,
            "skip": skip,
            "at": at,
        }
    )


def hits(site: Site) -> int:
    return sum(int(rule["hits"]) for rule in site.emulator.faults())


def states(site: Site) -> set[str]:
    with sqlite3.connect(site.root / "catalog.db") as conn:
        return {row[0] for row in conn.execute("SELECT state FROM object")}


@pytest.mark.parametrize("level", ["headers", "data"])
@pytest.mark.parametrize("skip", range(4))
@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_verify(site: Site, level: str, skip: int, at: float) -> None:
    flip(site, "*/data/*", skip=skip, at=at)
    done = site.run("verify", "--level", level)
    assert "verify passed" in done.out
    assert states(site) == {"live"}
    assert hits(site) or skip >= 2
    site.run("plan", "--detailed-exitcode")


@pytest.mark.parametrize("skip", range(4))
def test_verify_of_records(site: Site, skip: int) -> None:
    site.write("small/0", 3001)
    site.apply()
    flip(site, "*/records/*", skip=skip, at=0.7)
    assert "verify passed" in site.run("verify", "--level", "data").out
    assert hits(site) == 1


@pytest.mark.parametrize("skip", range(3))
def test_restore(site: Site, skip: int) -> None:
    flip(site, "*/data/*", skip=skip)
    done = site.restore("--json")
    assert hits(site) == 1
    assert done.summary["counts"]["restored"] == 6
    site.compare()


def test_drift_does_not_call_the_bucket_forked(site: Site) -> None:
    [name] = [item.name for item in site.bucket().list() if "/data/" in item.name][:1]
    site.bucket().delete(name)
    flip(site, "*/records/*")
    done = site.run("plan", "--detailed-exitcode", codes=(0, 2))
    assert "fork" not in done.err
    assert done.code == 2


@pytest.mark.parametrize("skip", range(3))
def test_adoption(site: Site, skip: int) -> None:
    """A pack that no catalog knows is adopted though one answer was wrong."""
    catalog = (site.root / "catalog.db").read_bytes()
    site.write("new", 50_000)
    site.apply()
    for item in list(site.bucket().list()):
        if item.name.endswith("/records/0000000000000002"):
            site.bucket().delete(item.name)
    (site.root / "catalog.db").write_bytes(catalog)
    for extra in ("-wal", "-shm"):
        (site.root / f"catalog.db{extra}").unlink(missing_ok=True)
    (site.root / "data" / "new").rename(site.root / "data" / "renamed")
    flip(site, "*/data/*", skip=skip)
    done = site.apply("--json")
    assert hits(site) == 1
    assert "damaged" not in done.out + done.err
    assert json.loads(done.out.splitlines()[-1])["counts"].get("adopt") == 1


@pytest.mark.parametrize("skip", range(4))
@pytest.mark.parametrize("command", ["pull", "rebuild --yes"])
def test_recovery(site: Site, skip: int, command: str) -> None:
    (site.root / "catalog.db").unlink()
    flip(site, "*/records/*", skip=skip)
    verb, *more = command.split()
    done = site.run(f"catalog {verb}", *more)
    assert "missing" not in done.out
    assert "not from" not in done.out
    site.emulator.clear_faults()
    assert site.run("plan", "--detailed-exitcode").code == 0


def test_what_is_damaged_is_still_found(site: Site) -> None:
    site.emulator.add_faults({"kind": "corrupt", "operation": "GetObject", "name": f"{site.prefix}*/data/*"})
    done = site.run("verify", "--level", "data", codes=(1, 3))
    assert "damaged" in done.out + done.err
    site.emulator.clear_faults()
    assert "damaged" in states(site)
