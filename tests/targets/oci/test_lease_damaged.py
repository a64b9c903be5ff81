"""A lease that arrived damaged is taken away again by whoever put it: nobody can read whose it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backup_runner.catalog import Catalog
from backup_runner.container import Identity
from backup_runner.container.suite2.founding import found_lineage
from backup_runner.errors import BusyError, ChecksumMismatch
from backup_runner.repository import lease
from backup_runner.repository.lease import Lease
from backup_runner.repository.lineage import Keys
from backup_runner.repository.sealing import Sealing
from backup_runner.targets.oci.spec import AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running
from tests.support.jobs import KEYRING

IDENTITY = Identity.of_keyring(KEYRING)
LINEAGE = found_lineage(IDENTITY)


class Machine:
    """Somebody with a lease to take; `notes` are the warnings so far."""

    def __init__(self, target: OciTarget, catalog: Path, *, host: str) -> None:
        cat = Catalog(str(catalog), create=True)
        with cat.transaction():
            store = cat.add_store(
                target=target.identity, key_id="k", lineage=LINEAGE.envelope.lineage.hex(), salt=KEYRING.new_salt()
            )
        cat.close()
        self.notes: list[str] = []
        self.lease = Lease(store, target, Keys(IDENTITY, Sealing(LINEAGE)), self.notes.append)
        self.lease._note["host"] = host


@pytest.fixture
def place(running: Running, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Machine]:
    """Makes machines that share a bucket prefix."""
    auth = AuthSpec(config_file=running.owner.config_file)
    spec = OciTargetSpec(running.bucket, running.namespace, f"{request.node.name}/", endpoint=running.url, auth=auth)
    return lambda name, patience=5.0: Machine(OciTarget(spec, patience=patience), tmp_path / name, host=name)


def damage_put(running: Running, *, skip: int = 0) -> None:
    rule = {"kind": "corrupt_stored", "operation": "PutObject", "name": "*/lease/*", "count": 1, "skip": skip}
    running.clear_faults()
    running.add_faults(rule)


def test_at_the_beginning_it_is_an_error_and_the_next_run_waits_for_nothing(
    running: Running, place: Callable[..., Machine]
) -> None:
    damage_put(running)
    with pytest.raises(ChecksumMismatch):
        place("one").lease.take(0)
    other = place("two")
    other.lease.take(0)
    assert other.lease.held


def test_at_a_renewal_the_run_goes_on_without(
    running: Running, place: Callable[..., Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_RENEW", -1.0)
    one = place("one")
    one.lease.take(0)
    damage_put(running)
    one.lease.renew()
    one.lease.renew()
    assert not one.lease.held
    assert one.notes[0].startswith("the lease could not be renewed")
    two = place("two")
    two.lease.take(0)
    one.lease.release()
    with pytest.raises(BusyError, match="on two"):
        place("three").lease.take(0)


def test_a_look_whether_policy_forbids_replacing_leaves_no_damage(
    running: Running, place: Callable[..., Machine]
) -> None:
    one = place("one")
    one.lease.take(0)
    # The first put finds that there is a lease.
    damage_put(running, skip=1)
    with pytest.raises(ChecksumMismatch):
        place("two").lease.take(0)
    three = place("three")
    three.lease.take(0)
    one.lease.release()
    assert three.lease.held
    with pytest.raises(BusyError, match="on three"):
        place("four").lease.take(0)


def test_a_put_that_never_arrived_whole_takes_no_other_lease_away(
    running: Running, place: Callable[..., Machine]
) -> None:
    one, two = place("one", patience=0), place("two")
    running.clear_faults()
    running.add_faults({"kind": "corrupt_request", "operation": "PutObject", "name": "*/lease/*", "count": 1})
    with pytest.raises(ChecksumMismatch):
        one.lease.take(0)
    two.lease.take(0)
    running.add_faults({"kind": "corrupt_request", "operation": "PutObject", "name": "*/lease/*", "count": 1})
    with pytest.raises((ChecksumMismatch, BusyError)):
        one.lease.take(0)
    with pytest.raises(BusyError, match="on two"):
        place("three").lease.take(0)
