"""Two runs of one job at the same time: never a lost update, never a broken catalog."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backup_runner.catalog import CatalogLock
from backup_runner.container.keys import DEFAULT_COST, Cost
from backup_runner.errors import BusyError, ForkedError, StalePlanError
from backup_runner.repository import commits as committing
from backup_runner.targets.directory.target import DirectoryTarget
from tests.history.site import KEYRING, CheapKeyring, Site
from tests.history_cli.machines import Machine
from tests.history_cli.machines import Site as Places
from tests.oci_emulator.fixture import Running, start
from tests.restoring.build import tree

FULL = os.environ.get("PROOF") == "full"
ROUNDS = 50 if FULL else 1


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.mark.proof
@pytest.mark.parametrize("kind", ["directory", "oci"])
@pytest.mark.parametrize("wait", ["0", "2m"])
def test_two_processes_at_once(tmp_path: Path, request: pytest.FixtureRequest, kind: str, wait: str) -> None:
    places = Places(tmp_path)
    if kind == "oci":
        emulator = request.getfixturevalue("emulator")
        auth = f"auth: {{method: config_file, config_file: {emulator.owner.config_file}}}"
        place = f"namespace: {emulator.namespace}, bucket: {emulator.bucket}, prefix: wait-{wait}/"
        places.target = f"{{type: oci, {place}, endpoint: '{emulator.url}', {auth}}}"
    machine = places.machine("one")
    done = 0
    codes: dict[tuple[int, ...], int] = {}
    for number in range(ROUNDS):
        places.write(f"file-{number}", f"of round {number}")
        runs = [machine.start("apply", "--yes", "--workers", "1", "--wait", wait) for _ in range(2)]
        results = [wait_for() for wait_for in runs]
        both = tuple(sorted(result.code for result in results))
        codes[both] = codes.get(both, 0) + 1
        # 4: it had planned before the other one was done, and its turn came after.
        allowed = {(0, 0)} if wait != "0" else {(0, 0), (0, 6), (0, 4)}
        assert both in allowed, [result.err for result in results]
        done += both.count(0)
        _agrees(machine, done)
    print(f"{ROUNDS} rounds on {kind}, --wait {wait}: exit codes {codes}")
    assert machine.restored() == {f"file-{number}": f"of round {number}" for number in range(ROUNDS)}


def _agrees(machine: Machine, done: int) -> None:
    listed = machine.run("snapshots", "--json").document("snapshots")
    assert [item["status"] for item in listed] == ["complete"] * done
    assert machine.serial() == done


def test_the_loser_of_a_record_commits_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second machine commits the very serial while the first one is at work, the lease being no hindrance."""
    site.write("a", b"first")
    site.apply()
    site.machine = 1
    site.pull()
    monkeypatch.setattr("backup_runner.repository.lease.Lease.take", lambda self, wait: None)
    begun = committing.commit

    def late(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(committing, "commit", begun)
        site.machine = 0
        site.write("b", b"of machine 0")
        site.apply()
        site.machine = 1
        return begun(*args, **options)

    site.write("c", b"of machine 1")
    monkeypatch.setattr(committing, "commit", late)
    with pytest.raises(ForkedError) as error:
        site.apply()
    assert error.value.exit_code == 1
    assert "catalog pull JOB" in (error.value.hint or "")
    with pytest.raises(ForkedError):
        site.apply()
    site.pull()
    # What the loser had uploaded was adopted by the winner, whose record has all of it.
    assert site.plan().totals.changes == 0
    site.apply()
    for machine in (0, 1):
        site.machine = machine
        if machine == 0:
            with pytest.raises(ForkedError):
                site.apply()
            site.pull()
        goal = f"{site.root}/out-{machine}"
        assert site.restore(goal).problems == []
        assert tree(os.fsencode(goal)) == tree(os.fsencode(site.data))
    assert site.prune()[1].counts == {}


@pytest.mark.parametrize("size", [0, 1000])
def test_a_bucket_that_went_on_from_an_older_state_is_not_gone_on_with(site: Site, size: int) -> None:
    """It was rolled back, and another machine committed the very serial that this machine has committed before."""
    site.write("a", b"first")
    site.apply()
    shutil.copytree(site.bucket, f"{site.root}/older")
    site.write("b", b"of machine 0" * size)
    site.apply()
    shutil.rmtree(site.bucket)
    os.rename(f"{site.root}/older", site.bucket)
    site.machine = 1
    site.pull()
    os.unlink(f"{site.data}/b")
    site.write("c", b"of machine 1" * size)
    site.apply()
    site.machine = 0
    with pytest.raises(ForkedError) as error:
        site.apply()
    assert "catalog pull JOB" in (error.value.hint or "")
    assert site.pull().snapshots == 2
    site.apply()
    site.machine = 1
    site.pull()
    assert site.restore(f"{site.root}/out").problems == []
    assert tree(os.fsencode(f"{site.root}/out")) == tree(os.fsencode(site.data))


class _SlowKeyring(CheapKeyring):
    def stretch(self, salt: bytes, cost: Cost = DEFAULT_COST) -> bytes:
        time.sleep(0.2)
        return super().stretch(salt, cost)


def test_a_run_that_is_refused_leaves_no_thread_behind(site: Site) -> None:
    """A process that ended with scrypt still at work on one of its threads crashed now and then (exit -11, not 6)."""
    site.write("a", b"first")
    site.apply()
    site.keyring = _SlowKeyring(KEYRING.crypto_key)
    before = threading.enumerate()
    with CatalogLock(site.catalog_path), pytest.raises(BusyError):
        site.apply(applies=True)
    assert threading.enumerate() == before


def test_a_plan_that_another_run_overtakes_is_stale_and_not_forked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a plan's look at the catalog and its listing of the bucket, another run with this catalog commits."""
    site.write("a", b"first")
    site.apply()
    usual = DirectoryTarget.list

    def late(self: DirectoryTarget, prefix: str = "") -> Any:
        monkeypatch.setattr(DirectoryTarget, "list", usual)
        site.apply()
        return usual(self, prefix)

    monkeypatch.setattr(DirectoryTarget, "list", late)
    with pytest.raises(StalePlanError):
        site.plan()
    assert site.plan().totals.changes == 0


def test_a_record_of_ours_that_others_went_on_from(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run died between its record and its catalog, and another machine went on from that record: the plan says so."""
    site.write("a", b"first")
    site.apply()

    def died(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(committing, "_committed", died)
        site.write("a", b"second")
        with pytest.raises(KeyboardInterrupt):
            site.apply()
    site.machine = 1
    site.pull()
    site.write("a", b"third")
    site.apply()
    site.machine = 0
    with pytest.raises(ForkedError):
        site.plan()
